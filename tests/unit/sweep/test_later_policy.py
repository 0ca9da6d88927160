"""A policy that a finished sweep is asked for: measured once, beside the sweep's own."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.findings import Findings
from deft_sweeps.findings.simultaneous_bounds import finalists
from deft_sweeps.objective import parse_policy
from deft_sweeps.report import verdict_text
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final, later_policy
from deft_sweeps.sweep.certification import certify
from deft_sweeps.sweep.choice_measurement import measure_choice
from tests.made_selection import measured_in_closed_form, spec
from tests.made_sweep import sweep_results

OWN = spec("best activation_density where score >= baseline(peft) - 0.02")
LATER = parse_policy("best activation_density where score >= baseline(peft) - 0.2")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(later_policy, "ray_session", lambda *_, **__: nullcontext())
    return measured_in_closed_form(monkeypatch)


@pytest.fixture
def sweep(tmp_path: Path, measured: list[str]) -> SweepDir:
    """Certified, and measured on the test split by its own policy."""
    made = SweepDir(tmp_path / "sweep")
    for result in sweep_results():
        made.write(result)
    certify(OWN, made, print)
    findings = Findings.read(OWN, made)
    jobs = final.final_jobs(findings.choice, findings.results)
    assert measure_choice(OWN, made, made.final_record(), jobs, print) == ()
    measured.clear()
    return made


def test_a_later_policy_is_measured_once_and_beside_the_sweeps_own(
    sweep: SweepDir, measured: list[str]
) -> None:
    own, lines = sweep.finals(), list[str]()
    assert later_policy.measure_policy(OWN, sweep, LATER, lines.append) == ()
    findings = Findings.read(replace(OWN, choose=LATER), sweep)
    assert findings.finals
    assert findings.finals == sweep.final_record(str(LATER)).measurements()
    assert findings.choice.member is not None
    assert findings.finals[0].name == findings.choice.member.name
    assert sweep.finals() == own
    assert any("on the test split, each alone: chosen, baseline" in line for line in lines)
    n_measured = len(measured)
    later_policy.measure_policy(OWN, sweep, LATER, lines.append)
    assert len(measured) == n_measured
    assert lines[-1] == "nothing is left to measure for this policy"


def test_it_is_certified_by_simultaneous_bounds_over_all_finalists(sweep: SweepDir) -> None:
    later_policy.measure_policy(OWN, sweep, LATER, print)
    findings = Findings.read(replace(OWN, choose=LATER), sweep)
    record = SelectionRecord(sweep.root)
    chain = record.chain()
    assert chain is not None
    assert set(record.measurements()) == {one.name for one in finalists(chain)}
    assert findings.verdict.step is not None
    assert findings.verdict.step.n_finalists == len(finalists(chain))
    assert "certified by simultaneous bounds over" in verdict_text.headline(findings)


def test_the_sweeps_own_answer_stays(sweep: SweepDir) -> None:
    before = Findings.read(OWN, sweep)
    later_policy.measure_policy(OWN, sweep, LATER, print)
    after = Findings.read(OWN, sweep)
    assert after.certificate is not None
    assert before.certificate is not None
    assert after.certificate.steps == before.certificate.steps
    assert verdict_text.headline(after) == verdict_text.headline(before)
    assert after.finals == sweep.finals()


def test_the_sweeps_own_policy_has_nothing_left(sweep: SweepDir, measured: list[str]) -> None:
    lines = list[str]()
    later_policy.measure_policy(OWN, sweep, OWN.choose, lines.append)
    assert lines == ["nothing is left to measure for this policy"]
    assert measured == []
    assert not (sweep.root / "policies").exists()
