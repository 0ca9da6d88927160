"""Opens an exported bundle for prediction."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from deft_sweeps.deploy.bundle_tokenizer import BundleTokenizer, can_be_read
from deft_sweeps.deploy.manifest import TOKENIZER_NAME, Manifest
from deft_sweeps.deploy.manifest_file import check_files, read_manifest
from deft_sweeps.deploy.predictor import Predictor
from deft_sweeps.deploy.runtimes.runtime_kinds import RuntimeKind, available, runtime_kind
from deft_sweeps.errors import BundleError
from deft_sweeps.extras import require

_OWN = ("torch", "sparse")
"""Runtimes that `auto` may take: those that compute the trial's own predictor."""


def load(bundle: str | Path, runtime: str = "auto", n_threads: int | None = None) -> Predictor:
    """Open a bundle that `deft-sweeps export` made.

    Args:
        bundle: its folder.
        runtime: `torch`, or another one that the bundle was exported for; `auto` takes the
            one that the sweep deployed to; otherwise `sparse` where `deft-sweeps bench` found it
            faster, else `torch`.
        n_threads: of the runtime; None takes every core that this process may use.

    Raises:
        BundleError: there is no bundle, a file of it was changed, or it lacks the runtime.
        MissingExtraError: the runtime's packages are not installed.
        CheckpointError: the base model cannot be had.
    """
    folder = Path(bundle)
    manifest = read_manifest(folder)
    if runtime == "auto":
        served = manifest.answer.runtime
        runtime = served if served in available(manifest) else _fastest(manifest)
    kind = runtime_kind(runtime, manifest)
    reading = manifest.reading(kind.name)
    if reading is not None and reading.drifts:
        raise BundleError(
            f"the runtime {kind.name} computes other scores than it should"
            f" ({'; '.join(reading.drift.reasons)}), so it is not served; take another one"
        )
    check_files(folder, manifest, manifest.parts_of(kind.needs) if kind.needs else None)
    return _opened(folder, manifest, kind, n_threads or len(os.sched_getaffinity(0)))


def _fastest(manifest: Manifest) -> str:
    """The fastest measured runtime of those that compute what the trial did; torch without one."""
    measured = [reading for reading in manifest.runtimes if reading.runtime in _OWN]
    usable = [reading for reading in measured if not reading.drifts]
    return min(usable, key=lambda one: one.one.median).runtime if usable else _OWN[0]


def open_runtime(folder: Path, runtime: str, n_threads: int) -> Predictor:
    """A runtime to be measured, whether it drifts or not; the files are not checked again.

    Args:
        folder: of the bundle.
        runtime: name; `torch@0` is torch without a threshold.
        n_threads: of the runtime.

    Raises:
        BundleError: the bundle lacks the runtime.
    """
    manifest = read_manifest(folder)
    name, at, _ = runtime.partition("@")
    if at:
        bare = replace(manifest.training, threshold=0.0, percentile=None, block_thresholds=())
        manifest = replace(manifest, training=bare)
    return _opened(folder, manifest, runtime_kind(name, manifest), n_threads)


def _opened(folder: Path, manifest: Manifest, kind: RuntimeKind, n_threads: int) -> Predictor:
    require(kind.extra)
    tokenizer = open_tokenizer(folder, light=kind.extra != "serve")
    opened = kind.open(folder, manifest, tokenizer, n_threads)
    return Predictor(manifest, opened, tokenizer)


def open_tokenizer(folder: Path, *, light: bool = False) -> Any:
    """The bundle's own tokenizer, so that the base need not be had for it.

    Args:
        folder: of the bundle.
        light: without transformers, which imports torch, if the tokenizer can be read without it.
    """
    if light and can_be_read(folder / TOKENIZER_NAME):
        return BundleTokenizer(folder / TOKENIZER_NAME)
    from transformers import AutoTokenizer

    from deft_sweeps.models.quiet_loading import quiet_loading

    with quiet_loading():
        return AutoTokenizer.from_pretrained(folder / TOKENIZER_NAME, trust_remote_code=False)
