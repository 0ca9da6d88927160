"""The grammar of limits and policies, and what a limit makes of a value."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.baseline_kind import AXIS_MEMBERS, BASELINES, Baseline
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import (
    Bound,
    Constraint,
    Policy,
    parse_constraint,
    parse_metric,
    parse_policy,
)

numbers = st.integers(-10_000, 10_000).map(lambda n: n / 1000)
bounds = st.one_of(numbers.map(Bound), numbers.map(lambda n: Bound(n, "peft")))
baselines = st.builds(
    lambda kind, settings: str(Baseline(kind, settings)),
    st.sampled_from(list(BASELINES)),
    st.fixed_dictionaries(
        {}, optional={axis: st.sampled_from(of) for axis, of in AXIS_MEMBERS.items()}
    ).map(lambda chosen: tuple((axis, chosen[axis]) for axis in AXIS_MEMBERS if axis in chosen)),
)
bounds |= st.builds(Bound, numbers, baselines)
bounds |= numbers.map(lambda n: Bound(n, "dense")) | numbers.map(lambda n: Bound(n, "unquantized"))
relations = st.sampled_from(("<=", ">="))
constraints = st.builds(
    Constraint, st.sampled_from(sorted(METRICS)), relations, bounds
) | st.builds(Constraint, st.just("score"), relations, bounds, st.booleans())
policies = st.builds(
    Policy,
    st.one_of(st.none(), st.sampled_from(sorted(METRICS))),
    st.lists(constraints, max_size=3).map(tuple),
)


@given(constraints)
def test_a_constraint_reads_back_from_its_text(constraint: Constraint) -> None:
    assert parse_constraint(str(constraint)) == constraint


@given(policies)
def test_a_policy_reads_back_from_its_text(policy: Policy) -> None:
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize("value", [64 * 2**20, 12_345_678, 1 / 3, 0.1 + 0.2])
def test_a_bound_loses_no_digit_in_its_text(value: float) -> None:
    constraint = Constraint("weight_bytes", "<=", Bound(value))
    assert parse_constraint(str(constraint)) == constraint


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("weight_bytes <= 64 MiB", Bound(64 * 2.0**20)),
        ("weight_bytes<=64MB", Bound(64e6)),
        ("latency_sec <= 20 ms", Bound(0.02)),
        ("score >= 80 %", Bound(0.8)),
        ("score >= .8", Bound(0.8)),
        ("loss <= 1e-3", Bound(1e-3)),
        ("score >= baseline(peft)", Bound(0.0, "peft")),
        ("score >= baseline( peft ) - 1 %", Bound(-0.01, "peft")),
        ("score >= baseline(peft) + 0.5", Bound(0.5, "peft")),
        (
            "score >= baseline( plain ,quantization:nf4, peft: lora ) - 2 %",
            Bound(-0.02, "plain, peft: lora, quantization: nf4"),
        ),
    ],
)
def test_units_and_baselines(text: str, bound: Bound) -> None:
    assert parse_constraint(text).bound.value == pytest.approx(bound.value)
    assert parse_constraint(text).bound.baseline == bound.baseline


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scor >= 0.8", "did you mean score"),
        ("score => 0.8", "METRIC <= BOUND"),
        ("score >= high", "a number with an optional unit"),
        ("score >= 1 parsec", "no unit 'parsec' for score; expected a plain number, or one in %"),
        (
            "latency_sec <= 20 MiB",
            "no unit 'MiB' for latency_sec; expected a plain number, or one in ms, s",
        ),
        (
            "weight_bytes <= 40 %",
            (
                "no unit '%' for weight_bytes; expected a plain number, or one in KiB, MiB, GiB,"
                " KB, MB, GB"
            ),
        ),
        (
            "trainable_parameters <= 1 MB",
            "no unit 'MB' for trainable_parameters; expected a plain number",
        ),
        (
            "weight_bytes <= baseline(unquantized) - 40%",
            "never a share of the baseline: write `baseline(unquantized) - 20 MiB` say",
        ),
        (
            "latency_sec <= baseline(peft) + 10 %",
            "never a share of the baseline: write `baseline(peft) + 5 ms` say",
        ),
        ("loss <= baseline(peft) - 1 ms", "no unit 'ms' for loss; expected a plain number"),
        ("score >= baseline(peft) - 1e400", "expected a finite number, got 1e400"),
        ("weight_bytes <= 1e305 MB", "expected a finite number, got 1e305"),
        ("score >= baseline(pfet)", "did you mean peft"),
        ("score >= baseline(peft, quantisation: nf4)", "did you mean quantization"),
        (
            "score >= baseline(peft, quantization: nf5)",
            "no quantization 'nf5' (did you mean nf4?); there are none, nf4, fp4, int8",
        ),
        ("score >= baseline(peft, density: loss)", "it may name peft, activation, quantization"),
        ("score >= baseline(peft, nf4)", "each axis once, as in"),
        ("score >= baseline(peft, peft: lora, peft: ia3)", "each axis once, as in"),
        ("score >= baseline(peft) * 2", "a number with an optional unit, or baseline"),
        ("surely loss <= 1", "`surely` needs a metric with a standard error (score), got 'loss'"),
        ("", "METRIC <= BOUND"),
    ],
)
def test_what_is_wrong_with_a_constraint_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_constraint(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "best",
        "best score activation_density",
        "knees",
        "where score >= 1",
        "knee where",
        "knee where ",
    ],
)
def test_what_is_no_policy_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_policy(text)


def test_an_unknown_metric_is_met_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"did you mean activation_density\?.*score, activation_density"
    ):
        parse_metric("activation-density")


@given(st.sampled_from(("<=", ">=")), numbers, numbers, numbers)
def test_violation_is_positive_on_the_wrong_side(
    relation: str, limit: float, value: float, baseline: float
) -> None:
    plain = parse_constraint(f"loss {relation} {limit!r}")
    keeps_it = value <= limit if relation == "<=" else value >= limit
    assert (plain.violation(value, None) <= 0) == keeps_it
    relative = Constraint("loss", plain.relation, Bound(limit, "peft"))
    assert relative.violation(value, baseline) == pytest.approx(
        plain.violation(value - baseline, None)
    )


def test_a_relative_limit_needs_its_baseline() -> None:
    with pytest.raises(ValueError, match="needs the baseline peft"):
        parse_constraint("score >= baseline(peft)").violation(0.5, None)


class TestBand:
    def test_is_read_and_written(self) -> None:
        text = "best activation_density within 5 %, then score where score >= 0.5"
        policy = parse_policy(text)
        assert (policy.metric, policy.band, policy.then) == ("activation_density", 0.05, "score")
        assert str(policy) == text
        assert parse_policy(str(policy)) == policy

    @pytest.mark.parametrize(
        "text",
        [
            "best score within 5 %",
            "best score within 5 %, then score",
            "best score within 0 %, then loss",
            "best score within 100 %, then loss",
            "best score within 5 ms, then loss",
            "best score within 5 %, then nothing",
        ],
    )
    def test_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"expected|no metric"):
            parse_policy(text)


class TestStrict:
    def test_is_read_and_written(self) -> None:
        for text in ("weight_bytes < 64 MiB", "score > baseline(peft) - 1 %"):
            limit = parse_constraint(text)
            assert limit.strict
            assert str(limit) == text
            assert parse_constraint(str(limit)) == limit
        assert not parse_constraint("weight_bytes <= 64 MiB").strict

    def test_units_are_echoed_and_do_not_count(self) -> None:
        limit = parse_constraint("weight_bytes <= 64  MiB")
        assert str(limit) == "weight_bytes <= 64 MiB"
        assert limit == parse_constraint("weight_bytes <= 67108864")
