"""The torch runtime with MLP blocks that compute active rows only, on the CPU."""

from pathlib import Path

import torch

from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.rebuilt_model import open_model
from deft_sweeps.deploy.runtimes.torch_runtime import TorchRuntime
from deft_sweeps.models.families import family_of
from deft_sweeps.sparse.replacement import sparse_mlp_


def open_sparse(folder: Path, manifest: Manifest, end_id: int, n_threads: int) -> TorchRuntime:
    """Load the bundle's merged model and replace its MLP blocks.

    Args:
        folder: of the bundle.
        manifest: of it.
        end_id: token that ends a text.
        n_threads: of torch and of the kernel.

    Raises:
        CheckpointError: the base cannot be had.
        ConfigError: a block cannot be replaced.
    """
    torch.set_num_threads(n_threads)
    model, shape, gates = open_model(folder, manifest)
    sparse_mlp_(model, shape, gates, n_threads=n_threads)
    return TorchRuntime(model, family_of(shape).answering, end_id, "sparse")
