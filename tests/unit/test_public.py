"""The public surface: changing it is a decision, and using it stays cheap."""

import subprocess
import sys

import pytest

import deft_sweeps

PUBLIC = (
    "Choice DeftSweepsError Findings ParetoFront Prediction Predictor SweepDir SweepSpec"
    " TrialConfig TrialResult choose load load_spec pareto_front"
)


def test_the_public_names_are_these() -> None:
    assert deft_sweeps.__all__ == PUBLIC.split()
    for name in deft_sweeps.__all__:
        public = getattr(deft_sweeps, name)
        # A union has no name of its own.
        assert getattr(public, "__name__", name) == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = deft_sweeps.nothing


def test_all_of_it_is_had_without_torch_or_ray() -> None:
    code = (
        "import sys, deft_sweeps; [getattr(deft_sweeps, n) for n in deft_sweeps.__all__];"
        " print(sorted(set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "'deft_sweeps.findings'" in loaded
    assert not any(
        f"'{heavy}'" in loaded for heavy in ("torch", "ray", "optuna", "transformers", "mlflow")
    )
