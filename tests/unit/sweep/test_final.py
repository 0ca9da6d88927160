"""What the choice is held against: its twin and the best plain PEFT, measured once."""

from dataclasses import replace
from pathlib import Path

from deft_sweeps.config.axes import NoDensityLoss
from deft_sweeps.findings import choose
from deft_sweeps.findings.choice import Choice
from deft_sweeps.objective import parse_policy
from deft_sweeps.result import FinalMeasurement, TrialResult
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.final import already_measured, final_jobs, missing_twin, twin_of
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
        sweep.weights_path(each.trial_id).write_bytes(b"weights of " + each.trial_id.encode())
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
    jobs = final_jobs(stored(tmp_path, PLAIN, DEFT), chosen(PLAIN, DEFT), (PLAIN, DEFT))
    assert [(job.role, job.threshold, job.density) for job in jobs] == [
        ("chosen", 0.0, None),
        ("baseline", 0.0, None),
        ("twin", None, 0.3),
    ]
    assert [job.weights for job in jobs] == [
        f"weights of {r.trial_id}".encode() for r in (DEFT, PLAIN, PLAIN)
    ]


def test_nothing_is_measured_where_nothing_is_chosen_and_plain_peft_is_not_its_own_baseline(
    tmp_path: Path,
) -> None:
    failed = result(finished_at=3)
    assert final_jobs(stored(tmp_path, failed), chosen(failed), (failed,)) == ()
    best = result(point(0.0, 0.8, 0.3))
    assert [job.role for job in final_jobs(stored(tmp_path, best), chosen(best), (best,))] == [
        "chosen"
    ]


def test_the_test_split_is_read_again_only_for_another_choice(tmp_path: Path) -> None:
    jobs = final_jobs(stored(tmp_path, PLAIN, DEFT), chosen(PLAIN, DEFT), (PLAIN, DEFT))
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
