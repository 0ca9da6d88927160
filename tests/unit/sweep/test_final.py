"""What the choice is held against: its twin and the best plain PEFT, measured once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import safetensors.numpy

from deft_sweeps.config.axes import NoDensityLoss
from deft_sweeps.findings import Findings, choose
from deft_sweeps.findings.choice import Choice
from deft_sweeps.objective import parse_policy
from deft_sweeps.result import FinalMeasurement, TrialResult
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final, session
from deft_sweeps.sweep.choice_measurement import measure_choice
from deft_sweeps.sweep.final import (
    already_measured,
    final_jobs,
    missing_twin,
    twin_of,
    with_weights,
)
from deft_sweeps.sweep.runner import Outcome
from deft_sweeps.trial.final_job import FinalJob
from tests import fake_finals
from tests.fakes import fake_spec, fake_weights
from tests.played_search import play
from tests.samples import point, result

SPEC = parse_spec(
    """
name: pairs
dtype: bf16
space:
  density: [none, loss: {weight: {low: 0.1, high: 8}}]
objectives: [score, activation_density]
choose: best activation_density
budget: {trials: 3}
""",
    "pairs.yaml",
)
FAKE = fake_spec(6)
PLAIN = result(point(0.0, 0.8, 0.9), point(0.2, 0.78, 0.5), finished_at=1)
DEFT = result(point(0.0, 0.79, 0.3), weight=2.0, finished_at=2)


def chosen(*results: TrialResult) -> Choice:
    return choose(
        results, ("score", "activation_density"), (), parse_policy("best activation_density")
    )


def stored(folder: Path, *results: TrialResult) -> SweepDir:
    sweep = SweepDir(folder)
    for each in results:
        sweep.write(each)
        sweep.weights_path(each.trial_id).parent.mkdir(exist_ok=True)
        sweep.weights_path(each.trial_id).write_bytes(fake_weights(each.trial_id))
    return sweep


def test_a_chosen_deft_configuration_without_a_plain_twin_gets_one() -> None:
    start = missing_twin(SPEC, chosen(DEFT), (DEFT,))
    assert start is not None
    assert SPEC.config(start) == replace(DEFT.config, density=NoDensityLoss())


def test_no_twin_is_asked_for_that_ran_failed_or_is_not_needed() -> None:
    assert missing_twin(SPEC, chosen(DEFT, PLAIN), (DEFT, PLAIN)) is None
    failed = result(finished_at=3)
    assert failed.config == PLAIN.config
    assert missing_twin(SPEC, chosen(DEFT), (DEFT, failed)) is None
    assert missing_twin(SPEC, chosen(PLAIN), (PLAIN,)) is None


def test_the_twin_of_the_same_seed_is_preferred() -> None:
    other = replace(PLAIN, seed=7)
    deft = replace(DEFT, seed=7)
    assert twin_of(chosen(deft, PLAIN, other), (deft, PLAIN, other)) == other
    assert twin_of(chosen(DEFT, other), (DEFT, other)) == other
    assert twin_of(chosen(PLAIN), (PLAIN,)) is None


def test_jobs_are_the_chosen_the_best_plain_and_the_twin_at_the_chosen_ones_density(
    tmp_path: Path,
) -> None:
    jobs = final_jobs(chosen(PLAIN, DEFT), (PLAIN, DEFT))
    assert [(job.role, job.threshold, job.density) for job in jobs] == [
        ("chosen", 0.0, None),
        ("baseline", 0.0, None),
        ("twin", None, 0.3),
    ]
    ready, unmeasured = with_weights(stored(tmp_path, PLAIN, DEFT), jobs)
    assert unmeasured == ()
    assert [job.weights for job in ready] == [
        fake_weights(r.trial_id) for r in (DEFT, PLAIN, PLAIN)
    ]


def test_nothing_is_measured_if_nothing_is_chosen_and_plain_peft_is_not_its_own_baseline() -> None:
    failed = result(finished_at=3)
    assert final_jobs(chosen(failed), (failed,)) == ()
    best = result(point(0.0, 0.8, 0.3))
    assert [job.role for job in final_jobs(chosen(best), (best,))] == ["chosen"]


def test_the_test_split_is_read_again_only_for_another_choice() -> None:
    jobs = final_jobs(chosen(PLAIN, DEFT), (PLAIN, DEFT))
    assert PLAIN.cost is not None
    assert PLAIN.provenance is not None
    finals = [
        FinalMeasurement(
            role=job.role,
            trial_id=job.config.trial_id(job.seed),
            point=point(0.37 if job.threshold is None else job.threshold),
            cost=PLAIN.cost,
            provenance=PLAIN.provenance,
        )
        for job in jobs
    ]
    assert already_measured(jobs, finals)
    assert not already_measured(jobs, finals[:2])
    assert not already_measured(jobs[:1], finals)
    assert not already_measured(jobs, [replace(finals[0], trial_id="other"), *finals[1:]])
    assert not already_measured(jobs, [replace(finals[0], point=point(0.2)), *finals[1:]])


class TestWeightsMissingTruncatedOrForeign:
    """They are named, the measurement that needs them is left out, and the report is written."""

    @staticmethod
    def damaged(sweep: SweepDir, trial_id: str, how: str) -> str:
        """Damages the weights; returns what is said of them."""
        path = sweep.weights_path(trial_id)
        if how == "missing":
            path.unlink()
            return "is missing"
        if how == "truncated":
            path.write_bytes(path.read_bytes()[:-3])
            return "is damaged: "
        if how == "no safetensors":
            path.write_bytes(b"\x00" * 64)
            return "is damaged: "
        if how == "changed":
            content = path.read_bytes()
            path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
            return "is damaged: its checksum does not hold"
        path.write_bytes(fake_weights("0123456789ab-s3"))
        return "holds the weights of 0123456789ab-s3"

    @pytest.mark.parametrize(
        "how", ["missing", "truncated", "no safetensors", "changed", "foreign"]
    )
    def test_a_twin_without_its_weights_is_left_out_by_name(self, tmp_path: Path, how: str) -> None:
        twin = replace(PLAIN, seed=7)
        deft = replace(DEFT, seed=7)
        sweep = stored(tmp_path, PLAIN, twin, deft)
        said = self.damaged(sweep, twin.trial_id, how)
        jobs = final_jobs(chosen(deft, PLAIN, twin), (PLAIN, twin, deft))
        ready, (left_out,) = with_weights(sweep, jobs)
        assert [job.role for job in ready] == ["chosen", "baseline"]
        assert (left_out.role, left_out.trial_id) == ("twin", twin.trial_id)
        assert f"{sweep.weights_path(twin.trial_id)} {said}" in str(left_out)
        assert f"move {sweep.result_path(twin.trial_id)} away: then `deft-sweeps" in str(left_out)

    def test_without_the_chosen_ones_weights_nothing_is_measured(self, tmp_path: Path) -> None:
        sweep = stored(tmp_path, PLAIN, DEFT)
        sweep.weights_path(DEFT.trial_id).unlink()
        ready, (left_out,) = with_weights(sweep, final_jobs(chosen(PLAIN, DEFT), (PLAIN, DEFT)))
        assert (ready, left_out.role) == ((), "chosen")

    def test_weights_of_a_version_that_did_not_name_their_trial_are_taken(
        self, tmp_path: Path
    ) -> None:
        sweep = stored(tmp_path, DEFT)
        content = safetensors.numpy.save({"lora": np.zeros(3)})
        sweep.weights_path(DEFT.trial_id).write_bytes(content)
        ready, left_out = with_weights(sweep, final_jobs(chosen(DEFT), (DEFT,)))
        assert ([job.weights for job in ready], left_out) == ([content], ())

    def test_a_measurement_from_before_stays_if_its_weights_are_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And the session says nothing of what was measured, and measures nothing twice."""
        sweep = SweepDir(tmp_path)
        play(StudySearcher(FAKE, sweep, target=6), 6)
        findings = Findings.read(FAKE, sweep)
        jobs = final_jobs(findings.choice, findings.results)
        for job in jobs:
            sweep.weights_path(job.trial_id).parent.mkdir(exist_ok=True)
            sweep.weights_path(job.trial_id).write_bytes(fake_weights(job.trial_id))
        n_measured: list[int] = []

        def counted(jobs: Sequence[FinalJob], *_: Any, **__: Any) -> Iterator[FinalMeasurement]:
            n_measured.append(len(jobs))
            yield from fake_finals.measured(jobs)

        monkeypatch.setattr(final, "measure", counted)
        assert measure_choice(FAKE, sweep, sweep.final_record(), jobs, lambda _: None) == ()
        before = sweep.finals()
        assert n_measured == [len(jobs)] == [len(before)]
        for job in jobs:
            sweep.weights_path(job.trial_id).unlink()
        assert measure_choice(FAKE, sweep, sweep.final_record(), jobs, lambda _: None) == ()
        sweep.final_record().clear()
        (warning,) = measure_choice(FAKE, sweep, sweep.final_record(), jobs, lambda _: None)
        assert warning.startswith(f"chosen ({jobs[0].trial_id}) is not measured on the test split")
        assert len(n_measured) == 1

    def test_a_resumed_session_says_so_and_writes_the_report(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sweep, said = SweepDir(tmp_path), list[str]()
        play(StudySearcher(FAKE, sweep, target=6), 6)
        sweep.write_spec(b"name: fake\n")
        monkeypatch.setattr(session, "run_sweep", lambda *_, **__: Outcome(6, 0, False))
        for mirror in ("Mirror", "StudyMirror"):
            monkeypatch.setattr(session, mirror, MagicMock())
        outcome = session._run(
            FAKE, sweep, lambda _: None, said.append, resume=True, more=0, ray_address=None
        )
        (message,) = outcome.messages
        assert message.startswith("chosen (")
        assert "is missing; put it back, or move " in message
        assert f"warning: {message}" in said
        assert sweep.report_path.is_file()


def test_jobs_of_one_structure_are_measured_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = result(point(0.0, 0.78, 0.5), finished_at=3, seed=1)
    relu = result(point(0.0, 0.7, 0.2), finished_at=4)
    relu = replace(relu, config=replace(relu.config, activation="relu"))
    sweep = stored(tmp_path, DEFT, relu, twin)
    jobs = [
        FinalJob("chosen", DEFT.config, DEFT.seed),
        FinalJob("baseline", relu.config, relu.seed),
        FinalJob("twin", twin.config, twin.seed),
    ]
    given: list[list[str]] = []

    def measured_alone(_: object, groups: Any, *__: object) -> Iterator[FinalMeasurement]:
        given[:] = [[job.role for job in group] for group in groups]
        yield from ()

    monkeypatch.setattr(final, "measured_alone", measured_alone)
    assert list(final.measure(jobs, SPEC, sweep)) == []
    assert given == [["chosen", "twin"], ["baseline"]]
    deployed = replace(SPEC, deploy=Deployment("onnx"))
    assert list(final.measure(jobs, deployed, sweep)) == []
    assert given == [["chosen"], ["baseline"], ["twin"]]
