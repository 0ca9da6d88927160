"""Decides what runs next."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.errors import SweepError
from deft_sweeps.search.consecutive_failures import ConsecutiveFailures
from deft_sweeps.search.next_step import Abort, Done, NextStep, Propose, Wait
from deft_sweeps.search.repeats import RepeatLimit, ask
from deft_sweeps.search.requested_points import RequestedPoints
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.study.pending import PendingTrials
from deft_sweeps.study.proposal import Origin, Proposal
from deft_sweeps.study.sweep_study import SweepStudy


class Proposer:
    """Trials to resume come first, then requested points, then the sampler's own.

    Args:
        spec: of the sweep.
        study: asked for proposals.
        pending: record of the running trials; its own are resumed.
        requested: points to try before the sampler's.
        stored: trial_ids that have a result.
        stop_reason: says why the search is over; empty while it is not.
    """

    def __init__(
        self,
        spec: SweepSpec,
        study: SweepStudy,
        pending: PendingTrials,
        requested: RequestedPoints,
        stored: Iterable[str],
        stop_reason: Callable[[], str],
    ) -> None:
        self._spec, self._study, self._pending = spec, study, pending
        self._requested, self._stop_reason = requested, stop_reason
        self._resumed = [pending.proposals[number] for number in sorted(pending.proposals)]
        resumed = (proposal.trial_id for proposal in self._resumed)
        self._taken = RepeatLimit((*stored, *resumed), spec.search.repeats)
        self._unrecorded: Proposal | None = None
        self._over = ""
        self.failures = ConsecutiveFailures()

    def next_step(self, running: Collection[Proposal]) -> NextStep:
        """The next step; a proposal that cannot be recorded does not run, and is the next one."""
        step = Propose(self._unrecorded) if self._unrecorded else self._decide(running)
        if not isinstance(step, Propose):
            return step
        self._unrecorded = step.proposal
        try:
            self._pending.add(step.proposal)
        except OSError as error:
            return Wait(f"a proposal cannot be recorded, waiting: {short_reason(error)}")
        self._unrecorded = None
        return Propose(replace(step.proposal, started_at=time.time()))

    def _decide(self, running: Collection[Proposal]) -> NextStep:
        if self.failures.reason:
            return Abort(SweepError(self.failures.reason))
        if not self._resumed:
            self._over = self._over or self._stop_reason()
            if self._over:  # `first` points are the search's; extra ones run all the same.
                extra = self._requested.next_extra()
                return Done(self._over) if extra is None else self._at(*extra)
        baseline = self._study.judge.missing
        if baseline is not None:
            return self._baseline(baseline, running)
        return Propose(self._resumed.pop(0)) if self._resumed else self._search()

    def _baseline(self, name: BaselineName, running: Collection[Proposal]) -> NextStep:
        """A limit compares with a baseline that no trial has given yet: nothing else runs."""
        which = f"baseline({name}), which the limits compare with"
        if any(proposal.config.is_baseline(name) for proposal in running):
            return Wait(f"all else waits for {which}")
        for proposal in self._resumed:
            if proposal.config.is_baseline(name):
                self._resumed.remove(proposal)
                return Propose(proposal)
        failures = self._study.judge.failures(name)
        if len(failures) > self._spec.budget.max_failures:
            return Abort(SweepError(f"{which}, failed {len(failures)} times, last: {failures[-1]}"))
        start = self._study.judge.start(name)
        if start is None:
            return self._search()
        return self._at(start, self._requested.take(start) or "baseline")

    def _search(self) -> NextStep:
        requested = self._requested.next()
        if requested is not None:
            return self._at(*requested)
        proposed = ask(self._study, self._spec, self._taken)
        if proposed is None:
            n_repeats = self._spec.search.repeats
            every = "every configuration of the space has run as often as `repeats` allows"
            self._over = f"{every}, {n_repeats} times"
            return Done(self._over)
        return self._propose(*proposed)

    def _at(self, start: Start, origin: Origin) -> Propose:
        return self._propose(self._study.ask_at(start), start, origin)

    def _propose(self, number: int, start: Start, origin: Origin) -> Propose:
        config = self._spec.config(start)
        seed = self._taken.next_seed(config, self._spec.trial_seed)
        proposal = self._study.begin(number, start, seed, origin)
        self._taken.update([proposal.trial_id])
        return Propose(proposal)
