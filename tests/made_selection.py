"""The made sweep with a selection split, and measurements of it in closed form."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from deft_sweeps.objective import parse_policy
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import FinalMeasurement, Point, Provenance, complete_trials, point_name
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.sweep import candidate_measurement, certification, final
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.split import Examples
from deft_sweeps.trial.final_job import FinalJob
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


def measured_in_closed_form(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces measurements alone; gives the names of what was measured, in order."""
    names: list[str] = []

    def score(job: FinalJob) -> tuple[Point, Provenance]:
        trial = next(
            one for one in complete_trials(sweep_results()) if one.trial_id == job.trial_id
        )
        wanted = job.threshold if job.threshold is not None else trial.points[-1].threshold
        at = next(one for one in trial.points if one.threshold == wanted)
        scores = ExampleScores.of(examples(at.score.value, N, 0))
        point = replace(at, score=replace(at.score, n_examples=N), example_scores=scores)
        names.append(point_name(job.trial_id, point.threshold, point.percentile))
        return point, PROVENANCE

    def measure(jobs: Sequence[FinalJob], *_: Any, **__: Any) -> Iterator[FinalMeasurement]:
        for job in jobs:
            point, provenance = score(job)
            yield FinalMeasurement(
                role=job.role,
                trial_id=job.trial_id,
                point=point,
                cost=cost(),
                provenance=provenance,
            )

    monkeypatch.setattr(final, "measure", measure)
    monkeypatch.setattr(candidate_measurement, "score_process", lambda *_: nullcontext(score))
    monkeypatch.setattr(final, "with_weights", lambda _, jobs: (tuple(jobs), ()))
    monkeypatch.setattr(
        certification, "read_splits", lambda _: Examples(SELECTION[:4], [], [], SELECTION)
    )
    return names
