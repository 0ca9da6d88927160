"""Processes in which packages seem not to be installed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRIVERS = ("ray", "mlflow", "optuna")
ONLY_SWEEPS = (*DRIVERS, "datasets", "pyarrow", "onnx", "bitsandbytes", "threadpoolctl")
ONLY_REPORTS = ("matplotlib", "scipy")
"""They belong to every installation; loading a model should not wait for them."""

HIDING = """
import sys
from importlib import import_module

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {hidden!r}:
            return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def without(hidden: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process in which packages seem not to be installed."""
    return subprocess.run(
        [sys.executable, "-c", HIDING.format(hidden=hidden) + code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )
