"""What a trial ran on."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from deft_sweeps.result import Provenance

PACKAGES = (
    "deft-sweeps",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "datasets",
    "ray",
    "optuna",
)


def provenance(
    device: torch.device,
    dataset_fingerprint: str,
    checkpoint_revision: str,
    n_micro_batches: int | None = None,
) -> Provenance:
    """Versions, commit and device of this process, with what the trial's data and training were."""
    return Provenance(
        packages=versions(PACKAGES),
        commit=_commit(),
        python=platform.python_version(),
        device=torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu {platform.machine()}",
        n_threads=torch.get_num_threads(),
        dataset_fingerprint=dataset_fingerprint,
        checkpoint_revision=checkpoint_revision,
        n_micro_batches=n_micro_batches,
    )


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are installed here."""
    installed = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


@cache
def _commit() -> str:
    """Commit of the checkout that the package runs from, with `+` where it has changes; empty where
    it is no checkout.
    """
    here = Path(__file__).parent
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
        head = subprocess.run(
            command, cwd=here, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip() if head.returncode == 0 else ""
