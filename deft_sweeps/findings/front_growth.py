"""From results to the front's history, which tells whether more trials would pay."""

from collections.abc import Sequence

from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.front_member import candidates, pooled, values_of
from deft_sweeps.findings.limit_check import judgeable, keeps
from deft_sweeps.findings.pareto_front import reference_of
from deft_sweeps.metrics import as_losses
from deft_sweeps.objective import Constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.statistics.plateau import FrontHistory


def history_of(results: Sequence[TrialResult], objectives: Sequence[str], limits: Sequence[Constraint] = ()) -> FrontHistory:
    """What the front grew from; limits whose baseline was not measured yet are left out."""
    ordered = sorted(results, key=lambda result: (result.finished_at, result.trial_id))
    baselines = baselines_of(ordered)
    judged = [limit for limit in limits if judgeable(limit, baselines)]
    by_trial = [candidates([result], objectives) for result in ordered]
    pool = [member for members in by_trial for member in members]
    reference, _ = reference_of(pooled(pool), objectives, {})
    losses = []
    for members in by_trial:
        inside = [m for m in members if all(keeps(m, limit, baselines) for limit in judged)]
        losses.append(as_losses(values_of(inside, objectives), objectives))
    corner = as_losses([reference[name] for name in objectives], objectives)
    return FrontHistory(tuple(losses), corner)
