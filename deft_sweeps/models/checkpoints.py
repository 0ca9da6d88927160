"""From a checkpoint's name (hub id, folder, or `packaged/<name>`) to its config, tokenizer and
weights.
"""

import json
import os
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.cache import file_stamp, sha256_file
from deft_sweeps.config.axes import Dtype
from deft_sweeps.config.data import local_path
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoint_check import (
    adapter_sentence,
    file_names,
    lacks_pooler,
    quantized_sentence,
    weightless_sentence,
    with_pooler_stated,
)
from deft_sweeps.models.families import PUBLISHED_CONFIGS, family_of, layout
from deft_sweeps.models.hub_blob import altered_weights
from deft_sweeps.models.hub_checkpoint import (
    hub_commit,
    hub_config,
    hub_folder,
    hub_id,
    hub_tokenizer_folder,
)
from deft_sweeps.models.quiet_loading import quiet_loading
from deft_sweeps.models.safetensors_header import read_headers
from deft_sweeps.models.vocabulary import (
    SPECIAL_IDS,
    UNTYPED_FILES,
    missing_vocabulary,
    special_token_problems,
    vocabulary_misfit,
)
from deft_sweeps.models.weight_fit import has_own_output, load_options, unfilled
from deft_sweeps.packaged.checkpoint_conversion import (
    is_packaged,
    packaged_config,
    packaged_folder,
    packaged_revision,
    source_folder,
)

if TYPE_CHECKING:
    import torch


def read_config(name: str) -> dict[str, Any]:
    """What config.json says, without torch; known hub checkpoints need no download.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be reached.
    """
    if is_packaged(name):
        return packaged_config(name)
    folder = folder_of(name)
    if folder is None and hub_id(name)[0] in PUBLISHED_CONFIGS:
        return dict(PUBLISHED_CONFIGS[hub_id(name)[0]])
    if folder and (adapter := adapter_sentence(folder)):
        raise CheckpointError(adapter)
    path = folder / "config.json" if folder else hub_config(name)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(config).__name__}")
    return with_pooler_stated(config, path.parent)


def load_model(name: str, dtype: Dtype) -> "torch.nn.Module":
    """The pretrained model in eval mode on the CPU, from safetensors only; no code of the
    checkpoint's is run.

    A model that answers by a head comes without one.

    Raises:
        CheckpointError: it is missing, of an unknown family, or its weights do not fill the model.
    """
    config = read_config(name)
    family = family_of(layout(config))
    if quantized := quantized_sentence(config):
        raise CheckpointError(f"{name}: {quantized}")
    source = _source(name)
    if weightless := weightless_sentence(str(source), file_names(source)):
        raise CheckpointError(f"cannot load {name}: {weightless}")
    headers = read_headers(source)
    if damage := [*headers.problems, *altered_weights(source)]:
        raise CheckpointError(f"cannot load {name}: {'; '.join(damage)}")
    if lacks_pooler(config, headers.shapes):  # Known only now where the weights were fetched now.
        config["add_pooling_layer"] = False
    import torch
    import transformers

    with quiet_loading():
        try:
            loaded, loading_info = getattr(transformers, family.auto_class).from_pretrained(
                source,
                dtype=torch.float32 if dtype == "fp32" else torch.bfloat16,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # `unfilled` names them.
                **load_options(config, family),
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load {name}: {error}") from error
    if wrong := unfilled(loaded, loading_info, config):
        raise CheckpointError(f"{name}: {'; '.join(wrong)}")
    if config.get("add_pooling_layer") is False:
        loaded.config.add_pooling_layer = False  # A layout is read off this config.
    if family.text is not None and has_own_output(loaded):
        # transformers says True whatever the checkpoint says, and would tie the two on the next
        # save or resize.
        loaded.config.tie_word_embeddings = False
    model: torch.nn.Module = loaded.eval()
    return model


@cache
def load_tokenizer(name: str) -> Any:
    """The checkpoint's tokenizer, loaded once a process.

    Raises:
        CheckpointError: it is missing, or not this model's.
    """
    from transformers import AutoTokenizer

    config = read_config(name)
    shape = layout(config)
    source = tokenizer_source(name)
    # Without these files transformers makes up a vocabulary of special tokens.
    if lacking := missing_vocabulary(source, shape.family):
        raise CheckpointError(f"{name} {lacking}")
    with quiet_loading():
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load the tokenizer of {name}: {error}") from error
    special = {key: getattr(tokenizer, key) for key in SPECIAL_IDS}
    misfits = [
        vocabulary_misfit(len(tokenizer), shape.vocab_size),
        *special_token_problems(config, shape, special),
    ]
    if misfit := next(filter(None, misfits), ""):
        raise CheckpointError(f"{name}: {misfit}")
    # A checkpoint may come with another family's tokenizer, whose columns the model does not take.
    taken = family_of(shape).model_inputs
    tokenizer.model_input_names = [
        column for column in tokenizer.model_input_names if column in taken
    ]
    return tokenizer


def tokenizer_file(name: str) -> Path | None:
    """The checkpoint's tokenizer.json; None if it has none.

    Raises:
        CheckpointError: the checkpoint is missing.
    """
    folder = source_folder(name) if is_packaged(name) else tokenizer_source(name)
    path = folder / "tokenizer.json"
    return path if path.is_file() else None


@cache
def revision(name: str) -> str:
    """What tells these weights from any others: a hash of the files, or the hub's commit.

    Raises:
        CheckpointError: the checkpoint is missing.
    """
    folder = None if is_packaged(name) else folder_of(name)
    if folder is None:
        return stamp(name)
    return sha256(
        "\n".join(f"{path.name} {sha256_file(path)}" for path in _files(folder)).encode()
    ).hexdigest()


def stamp(name: str) -> str:
    """What changes whenever `revision` does, without reading weights: of a folder the files' sizes,
    times of change and places on the disk.

    Raises:
        CheckpointError: the checkpoint is missing.
    """
    if is_packaged(name):
        return packaged_revision(name)
    folder = folder_of(name)
    if folder is None:
        return hub_commit(name)
    return sha256(
        "\n".join(f"{path.name} {file_stamp(path)}" for path in _files(folder)).encode()
    ).hexdigest()


def _files(folder: Path) -> list[Path]:
    # Beside a tokenizer.json they are not read.
    own = () if (folder / "tokenizer.json").is_file() else UNTYPED_FILES
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in {".safetensors", ".json", ".model"} or path.name in own
    )


def folder_of(name: str) -> Path | None:
    """The folder that `name` names; None where it is a hub id."""
    path = local_path(name)
    if os.path.isdir(path):  # Also where a folder above it may not be entered.
        return path
    repository, pinned = hub_id(name)
    if pinned and os.path.isdir(local_path(repository)):
        raise CheckpointError(
            f"{repository} is a folder, which has no revisions; leave out revision {pinned}"
        )
    if path.is_absolute() or name.startswith((".", "~")) or repository.count("/") > 1:
        raise CheckpointError(f"no folder {name}")
    return None


def tokenizer_source(name: str) -> Path:
    """The folder with the checkpoint's tokenizer; weights are not fetched."""
    folder = None if is_packaged(name) else folder_of(name)
    return _source(name) if is_packaged(name) or folder is not None else hub_tokenizer_folder(name)


def _source(name: str) -> Path:
    if is_packaged(name):
        return packaged_folder(name)
    folder = folder_of(name)
    return folder if folder is not None else hub_folder(name)
