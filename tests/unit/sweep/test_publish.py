"""What a session publishes once everything is measured: the report, and marks in the mirrors."""

from pathlib import Path

import optuna

from deft_sweeps.findings import Findings
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.study_mirror import CHOSEN, ON_FRONT
from deft_sweeps.sweep.session import publish
from tests.fakes import fake_spec
from tests.played_search import play

SPEC = fake_spec(8)


def finished_sweep(folder: Path) -> SweepDir:
    sweep = SweepDir(folder)
    play(StudySearcher(SPEC, sweep, target=8), 8)
    sweep.write_spec(b"name: fake\n")
    return sweep


def test_the_front_and_the_choice_are_marked_in_the_study(tmp_path: Path) -> None:
    sweep = finished_sweep(tmp_path)
    assert publish(SPEC, sweep) == ()
    findings = Findings.read(SPEC, sweep)
    front = {member.result.trial_id for member in findings.front.members}
    trials = optuna.load_study(study_name="fake", storage=sweep.study_url).trials
    marked = {mark: set[str]() for mark in (ON_FRONT, CHOSEN)}
    for trial in trials:
        for mark, trial_ids in marked.items():
            if trial.user_attrs[mark]:
                trial_ids.add(trial.user_attrs["trial_id"])
    assert findings.choice.member is not None
    assert len(trials) == 8
    assert marked == {ON_FRONT: front, CHOSEN: {findings.choice.member.result.trial_id}}


def test_a_study_that_cannot_be_written_costs_a_warning_and_no_report(tmp_path: Path) -> None:
    sweep = finished_sweep(tmp_path)
    sweep.study_path.mkdir()
    (warning,) = publish(SPEC, sweep)
    assert warning.startswith("the front and the choice are not marked: ")
    assert "study.db cannot be opened: " in warning
    assert sweep.report_path.exists()
