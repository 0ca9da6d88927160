"""What a driver loads before its first trial."""

import subprocess
import sys


def test_a_driver_starts_without_torch() -> None:
    """Its workers load torch; the driver measures nothing itself."""
    heavy = ("torch", "transformers", "peft", "bitsandbytes", "datasets", "mlflow")
    code = (
        "import sys, deft_sweeps.sweep.session;"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.strip() == "[]"
