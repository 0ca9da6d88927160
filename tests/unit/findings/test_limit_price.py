"""What moving a limit would buy, against a loop over the measured points."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.axes import Nf4
from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import make_chain
from deft_sweeps.findings.certificate import walk
from deft_sweeps.findings.limit_price import moved
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.report.bought_text import prices_told, worse_told
from deft_sweeps.report.html import render
from deft_sweeps.result import CompleteTrial, FinalMeasurement
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.statistics.margin_p_value import paired_score_p
from deft_sweeps.store.sweep_dir import SweepDir
from tests.made_sweep import PROVENANCE, cost
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
POLICY = "best activation_density where score >= baseline(peft) - 0.02"
PLAIN = result(point(0.0, 0.80, 0.9), point(0.5, 0.79, 0.6), point(1.0, 0.70, 0.35))
DEFT = result(point(0.0, 0.79, 0.5), point(0.5, 0.77, 0.3), point(1.0, 0.73, 0.1), weight=1.0)


def alone(of: CompleteTrial, latency_sec: float, weight_bytes: int = 400) -> CompleteTrial:
    assert of.cost is not None
    cost = replace(
        of.cost,
        label="measured",
        latency_sec=latency_sec,
        latency_high_sec=latency_sec * 1.1,
        weight_bytes=weight_bytes,
    )
    return replace(of, cost=cost)


def test_the_nearest_better_point_that_the_limit_alone_excludes() -> None:
    made = Findings((PLAIN, DEFT), OBJECTIVES, (), parse_policy(POLICY))
    chosen = made.choice.member
    assert chosen is not None
    (price,) = made.limit_prices
    excluded = [
        (0.78 - p.score.value, p.density.overall)
        for trial in (PLAIN, DEFT)
        for p in trial.points
        if p.score.value < 0.78 and p.density.overall < chosen.point.density.overall
    ]
    move, density = min(excluded)
    assert price.move == pytest.approx(move)
    assert price.gain == pytest.approx(chosen.point.density.overall - density)
    assert price.name == f"{DEFT.trial_id}@0.5"
    relaxed = Findings(
        (PLAIN, DEFT), OBJECTIVES, (), replace(made.policy, where=(moved(price.limit, move),))
    )
    assert relaxed.choice.member is not None
    assert relaxed.choice.member.name == price.name


def test_each_limit_has_its_own_price_and_a_point_must_keep_the_others() -> None:
    trials = (alone(PLAIN, 0.05), alone(DEFT, 0.08))
    policy = parse_policy(f"{POLICY} and latency_sec <= 60 ms")
    made = Findings(trials, OBJECTIVES, (), policy)
    assert made.choice.member is not None
    assert made.choice.member.name == f"{PLAIN.trial_id}@0.5"
    by_limit = {price.limit.metric: price for price in made.limit_prices}
    # DEFT's point without a threshold keeps the score; its denser ones break both limits.
    assert by_limit["latency_sec"].name == f"{DEFT.trial_id}@0"
    assert by_limit["latency_sec"].move == pytest.approx(0.02)
    assert by_limit["latency_sec"].gain == pytest.approx(0.1)
    assert by_limit["score"].name == f"{PLAIN.trial_id}@1"
    sentences = prices_told(made)
    assert any(
        "`latency_sec <= 80 ms` instead of `latency_sec <= 60 ms`" in text for text in sentences
    )
    assert any("per ms of latency" in text for text in sentences)


def test_without_a_metric_or_a_choice_there_are_no_prices() -> None:
    assert Findings((PLAIN, DEFT), OBJECTIVES).limit_prices == ()
    nothing = parse_policy("best activation_density where score >= 0.99")
    assert Findings((PLAIN, DEFT), OBJECTIVES, (), nothing).limit_prices == ()


def test_proxies_have_no_price() -> None:
    made = Findings(
        (alone(PLAIN, 0.05), DEFT),
        OBJECTIVES,
        (),
        parse_policy("best activation_density where latency_sec <= 60 ms"),
    )
    assert made.limit_prices == ()


def test_the_candidate_that_ended_the_walk_is_priced_by_its_test() -> None:
    n = 1000
    policy = parse_policy(POLICY)
    made = Findings((PLAIN, DEFT), OBJECTIVES, (), policy)
    chain = make_chain(made.pool, made.baselines, policy, policy.where, n_examples=n, alpha=0.05)
    names = [one.name for one in chain.candidates]
    n_right = dict.fromkeys(names, 800) | {names[-1]: 770}

    def measurement(name: str) -> FinalMeasurement:
        trial = next(t for t in (PLAIN, DEFT) if name.startswith(t.trial_id))
        at = next(p for p in trial.points if name.endswith(f"@{p.at}"))
        scores = ExampleScores.of([1.0] * n_right[name] + [0.0] * (n - n_right[name]))
        score = replace(at.score, value=n_right[name] / n, n_examples=n)
        measured = replace(at, score=score, example_scores=scores)
        return FinalMeasurement(
            role="candidate",
            trial_id=trial.trial_id,
            point=measured,
            cost=replace(cost(), label="measured"),
            provenance=PROVENANCE,
        )

    certificate = walk(chain, {name: measurement(name) for name in names})
    assert certificate.failed is not None
    certified = Findings((PLAIN, DEFT), OBJECTIVES, (), policy, (), certificate)
    (price,) = (one for one in certified.limit_prices if one.split == "selection")
    assert price.name == names[-1]
    base, candidate = (
        measurement(name).point.example_scores.array() for name in (names[0], names[-1])
    )
    reached = 0.02 + price.move
    assert paired_score_p(candidate, base, reached) <= 0.05
    assert paired_score_p(candidate, base, reached - 0.001) > 0.05


@pytest.mark.parametrize("text", ["score >= 0.8", "latency_sec <= 60 ms"])
def test_a_limit_moves_towards_the_worse(text: str) -> None:
    limit = parse_constraint(text)
    base = limit.bound.value
    value = moved(limit, 0.01).bound.value
    assert value == pytest.approx(base + (0.01 if limit.relation == "<=" else -0.01))


def quantized(trial: CompleteTrial) -> CompleteTrial:
    return replace(trial, config=replace(trial.config, quantization=Nf4()))


def test_a_choice_that_is_slower_and_larger_says_so() -> None:
    policy, base = parse_policy(POLICY), alone(PLAIN, 0.05)

    def said(*trials: CompleteTrial) -> str:
        return worse_told(Findings(trials, OBJECTIVES, (), policy))

    text = said(base, alone(quantized(DEFT), 0.08, 500))
    assert "slower (80 ms instead of 50 ms)" in text
    assert "larger (500 B instead of 400 B)" in text
    assert said(base, alone(quantized(DEFT), 0.054)) == "", "within the baseline's interval"
    assert said(PLAIN, quantized(DEFT)) == "", "proxies say nothing"
    assert said(base, alone(DEFT, 0.08)) == "", "one network timed twice"


def test_console_json_and_page_have_the_price(tmp_path: Path) -> None:
    text = f"name: x\nspace: {{density: [none, loss]}}\nchoose: {POLICY}\nbudget: {{trials: 2}}\n"
    sweep = SweepDir(tmp_path)
    sweep.spec_path.write_text(text)
    for one in (PLAIN, DEFT):
        sweep.write(one)
    said = CliRunner().invoke(app, ["choose", str(tmp_path)]).stdout
    assert "`score >= baseline(peft) - 0.03` instead of `score >= baseline(peft) - 0.02`" in said
    document = json.loads(CliRunner().invoke(app, ["choose", str(tmp_path), "--json"]).stdout)
    (price,) = document["limit_prices"]
    assert price["move"] == pytest.approx(0.01)
    assert "The price of the limits" in render(sweep, parse_spec(text, "x.yaml"))
