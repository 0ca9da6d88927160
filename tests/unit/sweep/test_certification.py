"""The walk along a chain of candidates, with measurements in closed form."""

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import candidate_measurement, certification, final
from deft_sweeps.sweep.certification import certify
from deft_sweeps.sweep.measurement_process import Unmeasured
from deft_sweeps.tasks.split import Examples
from deft_sweeps.trial.final_job import FinalJob
from tests.made_selection import SELECTION, N, measured_in_closed_form, spec
from tests.made_sweep import sweep_results

POLICY = "best activation_density where score >= baseline(peft) - 0.02"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the candidates that were measured, in order."""
    return measured_in_closed_form(monkeypatch)


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
    whole: Any = vars(candidate_measurement)["score_process"]
    stopped = KeyboardInterrupt()

    def cut_off(*arguments: Any) -> Any:
        with whole(*arguments) as score:

            def first_alone(job: FinalJob) -> Any:
                if measured:
                    raise stopped
                return score(job)

            return nullcontext(first_alone)

    monkeypatch.setattr(candidate_measurement, "score_process", cut_off)
    with pytest.raises(KeyboardInterrupt):
        certify(spec(POLICY), sweep, print)
    assert len(measured) == 1
    monkeypatch.setattr(candidate_measurement, "score_process", whole)
    certify(spec(POLICY), sweep, print)
    assert len(measured) == len(set(measured)) > 1


def test_lost_weights_end_the_walk_with_a_warning(
    sweep: SweepDir, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Unmeasured("candidate", "a-s0", "its weights are missing")
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
