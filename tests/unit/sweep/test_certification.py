"""The walk along a chain of candidates, with measurements in closed form."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from deft_sweeps.objective import parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import FinalMeasurement, complete_trials
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import certification, final
from deft_sweeps.sweep.certification import certify
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.split import Examples
from deft_sweeps.trial.final_measurement import FinalJob
from tests.made_sweep import PROVENANCE, cost, examples, sweep_results, sweep_spec

N = 1200
SELECTION = [Example(f"text {i}", ("good", "bad")[i % 2], f"text {i}") for i in range(N)]


def spec(policy: str, selection: int = N) -> SweepSpec:
    base = sweep_spec()
    combinations = []
    for one in base.combinations:
        task = one.template.task
        splits = replace(task.splits, selection=selection)
        template = replace(one.template, task=replace(task, splits=splits))
        combinations.append(replace(one, template=template))
    return replace(base, limits=(), choose=parse_policy(policy), combinations=tuple(combinations))


POLICY = "best activation_density where score >= baseline(peft) - 0.02"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the candidates that were measured, in order."""
    names: list[str] = []

    def measure(jobs: Sequence[FinalJob], *_: Any, **__: Any) -> Iterator[FinalMeasurement]:
        for job in jobs:
            trial = next(
                one for one in complete_trials(sweep_results()) if one.trial_id == job.trial_id
            )
            at = next(one for one in trial.points if one.threshold == job.threshold)
            scores = ExampleScores.of(examples(at.score.value, N, 0))
            point = replace(at, score=replace(at.score, n_examples=N), example_scores=scores)
            one = FinalMeasurement(
                role="candidate",
                trial_id=job.trial_id,
                point=point,
                cost=cost(),
                provenance=PROVENANCE,
            )
            names.append(one.name)
            yield one

    monkeypatch.setattr(final, "measure", measure)
    monkeypatch.setattr(final, "with_weights", lambda _, jobs: (tuple(jobs), ()))
    monkeypatch.setattr(
        certification, "read_splits", lambda _: Examples(SELECTION[:4], [], [], SELECTION)
    )
    return names


@pytest.fixture
def sweep(tmp_path: Any) -> SweepDir:
    made = SweepDir(tmp_path / "sweep")
    for result in sweep_results():
        made.write(result)
    return made


def test_the_chain_is_walked_once_and_never_again(sweep: SweepDir, measured: list[str]) -> None:
    lines: list[str] = []
    certify(spec(POLICY), sweep, lines.append)
    record = SelectionRecord(sweep.root)
    chain = record.chain()
    assert chain is not None
    assert chain.n_examples == N
    assert measured == [one.name for one in chain.candidates][: len(measured)]
    assert lines[0].startswith("certifying: up to ")
    assert all("selection examples, p = " in line for line in lines[1:])
    n_measured = len(measured)
    certify(spec(POLICY), sweep, lines.append)
    assert len(measured) == n_measured


def test_a_walk_that_was_cut_off_goes_on(
    sweep: SweepDir, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = final.measure, KeyboardInterrupt()

    def cut_off(*arguments: Any, **named: Any) -> Iterator[Any]:
        if measured:
            raise stopped
        return whole(*arguments, **named)

    monkeypatch.setattr(final, "measure", cut_off)
    with pytest.raises(KeyboardInterrupt):
        certify(spec(POLICY), sweep, print)
    assert len(measured) == 1
    monkeypatch.setattr(final, "measure", whole)
    certify(spec(POLICY), sweep, print)
    assert len(measured) == len(set(measured)) > 1


def test_lost_weights_end_the_walk_with_a_warning(
    sweep: SweepDir, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = final.Unmeasured("candidate", "a-s0", "its weights are missing")
    monkeypatch.setattr(final, "with_weights", lambda *_: ((), (lost,)))
    lines: list[str] = []
    certify(spec(POLICY), sweep, lines.append)
    assert measured == []
    assert "its weights are missing" in lines[-1]
    assert lines[-1].startswith("warning: the walk ends before its end")


@pytest.mark.parametrize(("policy", "selection"), [("knee", N), (POLICY, 0)])
def test_nothing_is_read_without_a_limit_or_a_split(
    sweep: SweepDir, measured: list[str], policy: str, selection: int
) -> None:
    certify(spec(policy, selection), sweep, print)
    assert measured == []
    assert SelectionRecord(sweep.root).chain() is None


def test_too_few_examples_are_not_read(
    sweep: SweepDir, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        certification, "read_splits", lambda _: Examples(SELECTION[:4], [], [], SELECTION[:100])
    )
    lines: list[str] = []
    certify(spec(POLICY), sweep, lines.append)
    assert measured == []
    assert lines == [
        "nothing can be certified: 100 selection examples are too few: at these limits fewer than"
        " 149 certify nothing, even if no answer differs"
    ]


def test_examples_that_were_read_have_no_second_order(sweep: SweepDir, measured: list[str]) -> None:
    certify(spec(POLICY), sweep, print)
    (sweep.root / "selection" / "chain.json").unlink()
    lines: list[str] = []
    certify(spec(POLICY), sweep, lines.append)
    assert lines[0].startswith("warning: nothing is certified: ")
    assert "the examples have been read" in lines[0]
    assert SelectionRecord(sweep.root).chain() is None


def test_another_alpha_is_said_and_changes_nothing(sweep: SweepDir, measured: list[str]) -> None:
    certify(spec(POLICY), sweep, print)
    before = json.loads((sweep.root / "selection" / "chain.json").read_text())
    lines: list[str] = []
    certify(replace(spec(POLICY), alpha=0.5), sweep, lines.append)
    assert lines == ["the chain of candidates was fixed with alpha 0.05, which stays"]
    assert json.loads((sweep.root / "selection" / "chain.json").read_text()) == before
