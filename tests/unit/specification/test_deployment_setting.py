"""The section `deploy`: what the choice will run in."""

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.spec_reader import parse_spec

SPEC = "name: x\nspace: {}\nbudget: {trials: 1}\nlimits: [weight_bytes <= 64 MiB]\n"
ZERO = "evaluation: {thresholds: [0], objective_threshold: 0}\n"


def test_without_it_the_trial_itself_is_measured() -> None:
    for text in (SPEC, f"{SPEC}deploy: null\n"):
        spec = parse_spec(text, "s.yaml")
        assert spec.deploy is None
        assert spec.search_limits == spec.limits


def test_runtime_and_batch() -> None:
    spec = parse_spec(f"{SPEC}deploy: {{runtime: onnx, batch: 8}}\n", "s.yaml")
    assert spec.deploy == Deployment("onnx", 8)
    assert str(spec.deploy) == "onnx, 8 texts a request"


def test_the_search_acts_on_no_limit_that_another_runtime_decides() -> None:
    spec = parse_spec(f"{SPEC}deploy: {{runtime: onnx}}\n", "s.yaml")
    assert spec.search_limits == ()
    assert spec.every_limit == spec.limits


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deploy: {runtime: tensorrt}", "s.yaml:5:19: expected"),
        ("deploy: {batch: 2}", "s.yaml:5:9: "),
        ("deploy: onnx", "s.yaml:5:9: "),
        ("deploy: {runtime: onnx, batch: 0}", "expected batch >= 1, got 0"),
        ("deploy: {runtime: onnx, batch: 5000}", "expected batch <= 1024, got 5000"),
        ("deploy: {runtime: ct2}", "drops no gate entries"),
        (
            "deploy: {runtime: ct2}\nevaluation: {thresholds: [0], objective_threshold: 0,"
            " percentiles: [0.5]}",
            "drops no gate entries",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(f"{SPEC}{text}\n", "s.yaml")
    (only,) = map(str, caught.value.problems)
    assert problem in only


def test_trials_on_a_gpu_are_not_measured_on_the_cpu() -> None:
    text = SPEC.replace("{trials: 1}", "{trials: 1, gpus_per_trial: 1}")
    with pytest.raises(ConfigError, match="measured on the CPU, but trials run on a GPU"):
        parse_spec(f"{text}deploy: {{runtime: onnx}}\n", "s.yaml")
    assert parse_spec(f"{SPEC}{ZERO}deploy: {{runtime: ct2}}\n", "s.yaml").deploy is not None
