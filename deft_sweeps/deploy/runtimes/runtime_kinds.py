"""Every runtime: what it needs of a bundle, and how it is opened. Loads no torch by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deft_sweeps.deploy.manifest import ADAPTER, Manifest
from deft_sweeps.deploy.runtime import Runtime
from deft_sweeps.errors import BundleError

_Open = Callable[[Path, Manifest, Any, int], Runtime]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeKind:
    """One way to compute a bundle's model.

    Attributes:
        name: as users write it.
        needs: the exported format that it computes; empty for what every bundle has.
        extra: the optional dependency, as in `deft-sweeps[onnx]`.
        has_threshold: whether it drops gate entries as the trial did.
        is_rounded: whether its weights are rounded to int8.
        open: from the bundle's folder, its manifest, the tokenizer and the number of threads.
    """

    name: str
    needs: str
    extra: str
    has_threshold: bool
    is_rounded: bool
    open: _Open


def _open_torch(
    folder: Path, manifest: Manifest, tokenizer: Any, n_threads: int, *, name: str
) -> Runtime:
    from deft_sweeps.deploy.runtimes.torch_runtime import open_torch

    return open_torch(folder, manifest, int(tokenizer.eos_token_id or 0), n_threads, name=name)


def _open_onnx(
    folder: Path, manifest: Manifest, tokenizer: Any, n_threads: int, *, target: str
) -> Runtime:
    from deft_sweeps.deploy.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(folder / target, n_threads, target)


def _open_ct2(
    folder: Path, manifest: Manifest, tokenizer: Any, n_threads: int, *, target: str
) -> Runtime:
    from deft_sweeps.deploy.runtimes.ct2_runtime import Ct2Runtime

    return Ct2Runtime(folder / target, n_threads, target)


def _kind(name: str, needs: str, extra: str, opened: _Open, *, threshold: bool) -> RuntimeKind:
    return RuntimeKind(
        name=name,
        needs=needs,
        extra=extra,
        has_threshold=threshold,
        is_rounded=name.endswith("int8"),
        open=opened,
    )


_KINDS = (
    _kind("torch", "", "serve", partial(_open_torch, name="torch"), threshold=True),
    _kind("sparse", "hf", "serve", partial(_open_torch, name="sparse"), threshold=True),
    _kind("hf", "hf", "serve", partial(_open_torch, name="hf"), threshold=False),
    *(
        _kind(name, name, "onnx", partial(_open_onnx, target=name), threshold=True)
        for name in ("onnx", "onnx-int8")
    ),
    *(
        _kind(name, name, "ct2", partial(_open_ct2, target=name), threshold=False)
        for name in ("ct2", "ct2-int8")
    ),
)
RUNTIMES: dict[str, RuntimeKind] = {kind.name: kind for kind in _KINDS}


def available(manifest: Manifest) -> tuple[str, ...]:
    """Names of the runtimes that the bundle has the files for."""
    return tuple(kind.name for kind in RUNTIMES.values() if _has_files(kind, manifest))


def _has_files(kind: RuntimeKind, manifest: Manifest) -> bool:
    artifact = manifest.artifact(kind.needs)
    # An adapter needs its base packed as the trial had it: `torch` does that.
    return not kind.needs or (artifact is not None and artifact.form != ADAPTER)


def runtime_kind(name: str, manifest: Manifest) -> RuntimeKind:
    """The runtime of that name.

    Raises:
        BundleError: there is none, or the bundle was not exported for it.
    """
    choices = ", ".join(available(manifest))
    if name not in RUNTIMES:
        raise BundleError(f"no runtime {name!r}; this bundle has {choices}")
    if name not in available(manifest):
        raise BundleError(
            f"the bundle was not exported for the runtime {name}; it has {choices}; export it with"
            f" `--target {RUNTIMES[name].needs}`"
        )
    return RUNTIMES[name]
