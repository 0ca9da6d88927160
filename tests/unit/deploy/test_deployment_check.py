from typing import get_args

import pytest

from deft_sweeps.deploy.deployment_check import deployed_targets, unexportable
from deft_sweeps.deploy.runtimes.runtime_kinds import RUNTIMES
from deft_sweeps.deploy.target_refusal import family_layouts
from deft_sweeps.specification.deployment_setting import Deployment, RuntimeName
from deft_sweeps.specification.spec_reader import parse_spec

LAYOUTS = family_layouts()
SPACE = "name: x\nspace: {peft: [lora, adapter]}\nbudget: {trials: 1}\n"
ZERO = "evaluation: {thresholds: [0], objective_threshold: 0}\n"


def test_a_spec_names_runtimes_that_there_are() -> None:
    """`sparse` costs otherwise at each threshold, and `hf` is torch without one."""
    assert {*get_args(RuntimeName)} == {*RUNTIMES} - {"sparse", "hf"}
    for name in get_args(RuntimeName):
        assert Deployment(name).has_threshold == RUNTIMES[name].has_threshold


@pytest.mark.parametrize(
    ("runtime", "targets"), [("torch", ()), ("onnx-int8", ("onnx-int8",)), ("ct2", ("ct2",))]
)
def test_the_formats_that_a_runtime_needs(runtime: RuntimeName, targets: tuple[str, ...]) -> None:
    assert deployed_targets(Deployment(runtime)) == targets


def test_combinations_that_the_format_cannot_hold_are_named() -> None:
    for runtime in ("torch", "onnx"):
        spec = parse_spec(f"{SPACE}deploy: {{runtime: {runtime}}}\n", "x.yaml")
        assert unexportable(spec, LAYOUTS["t5"]) == ()
    spec = parse_spec(f"{SPACE}{ZERO}deploy: {{runtime: ct2, batch: 8}}\n", "x.yaml")
    (adapters,) = unexportable(spec, LAYOUTS["t5"])
    assert "1 of 2 combinations, " in adapters
    assert "2 of 2 combinations" in " ".join(unexportable(spec, LAYOUTS["bert"]))
