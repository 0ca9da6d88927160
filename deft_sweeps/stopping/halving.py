"""Which trials go on: successive halving on several objectives, asynchronously, as a pure decision.
Loads neither ray nor optuna.

A trial that reaches a rung is compared with those that reached it before, and goes on if it is
among the best one in `eta` of them, itself counted (ASHA, Li et al., arXiv 1810.05934, in the
variant that stops and never resumes). The first `eta - 1` at a rung go on: nobody knows yet what is
good there. What orders them is `ranking`; a trial stands where its best point stands.
"""

import hashlib
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, candidates, directions_of, values_of
from deft_sweeps.findings.limit_check import excess, judgeable, keeps
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Rung, TrainingAtRung
from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.stopping.ranking import order, order_of_owners
from deft_sweeps.study.baseline_tracker import BaselinesSoFar

N_PEERS = 256
"""Trials at most that one is compared with: beyond, a sample that their names draw, so that it does
not depend on who came when."""


@dataclass(slots=True)
class Reached:
    """What is known at one rung.

    Attributes:
        baselines: what limits may refer to, measured at this rung too.
        peers: digest and points of trials that reached it, the lowest digests first, at most
            N_PEERS.
    """

    baselines: BaselinesSoFar
    peers: list[tuple[str, tuple[FrontMember, ...]]] = field(default_factory=list)


class HalvingRule:
    """The decisions of a sweep; the same trials give the same ones, whatever store or clock they
    come from.

    Args:
        halving: how many go on, and what orders them.
        objectives: names of `objective.METRICS`, in the sweep's order.
        limits: points that break one stand behind all that keep them; one that cannot be judged at
            a rung is left out, and `surely` is not asked for: a rung keeps no scores of single
            examples, and by two standard errors a baseline would break its own limit.
    """

    def __init__(
        self, halving: Halving, objectives: Sequence[str], limits: Sequence[Constraint] = ()
    ) -> None:
        self._halving, self._objectives = halving, tuple(objectives)
        self._limits = tuple(replace(limit, surely=False) for limit in limits)
        self._reached: dict[int, Reached] = {}
        self._verdicts: dict[tuple[str, int], bool] = {}

    def record(self, config: TrialConfig, seed: int, rung: Rung, verdict: bool) -> None:
        """Take note of a rung that was decided about before."""
        number = self._number(config, rung)
        if number is not None and (config.trial_id(seed), number) not in self._verdicts:
            self._verdicts[config.trial_id(seed), number] = verdict
            self._enter(number, self._points(config, seed, rung), config.trial_id(seed))

    def may_continue(
        self, config: TrialConfig, seed: int, rung: Rung, *, whole: bool = False
    ) -> bool:
        """Whether the trial goes on past `rung`; asked again, the answer is the same and it counts
        once.

        A `whole` trial goes on in any case, and others are compared with it. One that lacks an
        objective goes on too, compared with nobody: its end says what is missing.
        """
        number, trial_id = self._number(config, rung), config.trial_id(seed)
        if number is None:
            return True
        verdict = self._verdicts.get((trial_id, number))
        if verdict is None:
            points = self._points(config, seed, rung)
            self._enter(number, points, trial_id)
            verdict = whole or not points or self._is_among_the_best(number, points, trial_id)
            self._verdicts[trial_id, number] = verdict
        return verdict

    def _number(self, config: TrialConfig, rung: Rung) -> int | None:
        """Which rung it is, from 0; None where it is none to decide at."""
        rungs = self._halving.at(config.training.steps)[:-1]
        return rungs.index(rung.step) if rung.step in rungs else None

    def _points(self, config: TrialConfig, seed: int, rung: Rung) -> tuple[FrontMember, ...]:
        # Front, baselines and limits mean at a rung what they mean at the end, except for `surely`.
        return candidates(
            [TrainingAtRung(config=config, seed=seed, points=rung.points)], self._objectives
        )

    def _enter(self, number: int, points: tuple[FrontMember, ...], trial_id: str) -> None:
        here = self._reached.setdefault(number, Reached(BaselinesSoFar(self._limits)))
        if not points:
            return
        here.baselines.take(points[0].result)
        insort(here.peers, (_digest(trial_id), points), key=lambda peer: peer[0])
        del here.peers[N_PEERS:]

    def _is_among_the_best(
        self, number: int, points: tuple[FrontMember, ...], trial_id: str
    ) -> bool:
        here = self._reached[number]
        peers = [theirs for digest, theirs in here.peers if digest != _digest(trial_id)]
        n_places = (len(peers) + 1) // self._halving.eta
        if len(peers) + 1 < self._halving.eta:
            return True
        members = [member for owned in (*peers, points) for member in owned]
        owners = [owner for owner, owned in enumerate((*peers, points)) for _ in owned]
        ranked = order(
            values_of(members, self._objectives),
            directions_of(self._objectives),
            self._halving.rank,
            violations(members, self._limits, here.baselines.best),
        )
        return len(peers) in order_of_owners(ranked, owners)[:n_places]


def violations(
    members: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines
) -> np.ndarray:
    """How far each point is outside the limits, shape (n,), >= 0, up to 1 a limit: each excess is
    divided by the largest among the points.

    A limit whose baseline is not known yet counts for nobody, one whose metric a point lacks not
    for that point: costs are taken at a trial's end.
    """
    total = np.zeros(len(members))
    for limit in limits:
        if judgeable(limit, baselines):
            keeps_limit = [
                limit.metric not in m.values or keeps(m, limit, baselines) for m in members
            ]
            over = np.array(
                [
                    0.0 if fine else excess(m, limit, baselines)
                    for m, fine in zip(members, keeps_limit, strict=True)
                ]
            )
            total += over / max(over.max(initial=0.0), np.finfo(float).tiny)
    return total


def _digest(trial_id: str) -> str:
    # Not the name itself: the seeds of one configuration would be drawn together.
    return hashlib.sha256(trial_id.encode()).hexdigest()
