"""The result of a trial that ended on Ray, whatever it reported."""

import time

from pydantic import ValidationError

from deft_sweeps.result import (
    CompleteTrial,
    FailedTrial,
    Rung,
    StoppedTrial,
    TrialResult,
    read_result,
)
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import objectives
from deft_sweeps.study.proposal import Proposal


def checked_result(spec: SweepSpec, proposal: Proposal, text: str) -> TrialResult:
    """The reported result.

    Raises:
        ValueError: it cannot be read back once stored, is of another trial, or lacks an objective.
    """
    try:
        result = read_result(text.encode())
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"])
        what = "its result cannot be kept (is a number not finite?)"
        raise ValueError(f"{what}: {where}: {wrong['msg']}") from error
    if result.trial_id != proposal.trial_id:
        raise ValueError(f"a result of another trial, {result.trial_id}")
    if isinstance(result, CompleteTrial):
        objectives(spec, result)
    return result


def failed(proposal: Proposal, error: str, rungs: tuple[Rung, ...]) -> FailedTrial:
    """The result of a trial that reported none it could be judged by."""
    return FailedTrial(
        config=proposal.config,
        seed=proposal.seed,
        error=error,
        rungs=rungs,
        started_at=proposal.started_at,
        finished_at=time.time(),
    )


def stopped(proposal: Proposal, rungs: tuple[Rung, ...]) -> StoppedTrial:
    """The result of a trial that was stopped early."""
    return StoppedTrial(
        config=proposal.config,
        seed=proposal.seed,
        rungs=rungs,
        started_at=proposal.started_at,
        finished_at=time.time(),
    )
