"""The Optuna study of a sweep: in memory, made from the store whenever a driver starts."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Protocol, runtime_checkable

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import Trial, TrialState, create_trial

from deft_sweeps.errors import StoreError
from deft_sweeps.metrics import METRICS
from deft_sweeps.result import CompleteTrial, PartialTraining, TrialResult
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.optuna_study import (
    POINTS,
    PRIOR,
    SEED,
    TRIAL_ID,
    ask_at,
    ended_trial,
    objectives,
    rows_of,
    tell,
)
from deft_sweeps.study.parameters import distributions, suggest
from deft_sweeps.study.pending import PendingTrials, highest_number
from deft_sweeps.study.proposal import Origin, Proposal


@runtime_checkable
class NotesAttrs(Protocol):
    """A sampler that has to see attributes of a trial again for as long as the trial runs."""

    def trial_attrs(self, number: int) -> Mapping[str, Any]:
        """Returns the attributes of the trial that was proposed last.

        Args:
            number: of the study's trial.
        """


class SweepStudy:
    """Asks for proposals and tells how they ended, by the sweep's own numbers.

    Trials of earlier sweeps come first in the Optuna study. A number here counts this sweep's
    proposals only, so it stays what it is when an earlier sweep is added.

    Args:
        spec: of the sweep.
        sampler: proposes; until one is set, points are drawn at random.
    """

    def __init__(
        self,
        spec: SweepSpec,
        sampler: BaseSampler | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.judge = LimitJudge(spec)
        self._storage = InMemoryStorage()
        self.optuna: Study = optuna.create_study(
            storage=self._storage,
            directions=[METRICS[metric].direction for metric in spec.objectives],
            sampler=sampler or RandomSampler(seed=spec.search.seed),
        )
        self._spec, self._distributions = spec, distributions(spec)
        self._running: dict[int, Trial] = {}
        self._n_prior = 0

    @property
    def sampler(self) -> BaseSampler:
        """Proposes configurations."""
        return self.optuna.sampler

    def optuna_number(self, number: int) -> int:
        """Number of a proposal's trial in the Optuna study."""
        return self._n_prior + number

    def ask(self) -> tuple[int, Start]:
        """A new number, and the point that the sampler proposes for it."""
        number, start = self._start(self.optuna.ask())
        if isinstance(self.sampler, NotesAttrs):
            self._set_attrs(number, self.sampler.trial_attrs(self.optuna_number(number)))
        return number, start

    def ask_at(self, start: Start) -> int:
        """A new number for a given point."""
        number, _ = self._start(ask_at(self.optuna, self._spec, start))
        return number

    def begin(self, number: int, start: Start, seed: int, origin: Origin) -> Proposal:
        """Names a proposal's trial; from here on it counts as begun."""
        config = self._spec.config(start)
        trial = self._running[number]
        trial.set_user_attr(SEED, seed)
        trial.set_user_attr(TRIAL_ID, config.trial_id(seed))
        attrs = self._storage.get_trial(self._trial_key(number)).system_attrs
        drawn = {name: value for name, value in attrs.items() if name != "fixed_params"}
        return Proposal(number, start, config, seed, origin, sampler_attrs=drawn)

    def refuse(self, number: int) -> None:
        """Ends a proposal that does not run; without a TRIAL_ID it counts nowhere."""
        self.optuna.tell(self._running.pop(number), state=TrialState.FAIL)

    def observe(self, number: int, training: PartialTraining) -> None:
        """Replaces the measurements of a running trial."""
        self._running[number].set_user_attr(POINTS, rows_of(self._spec, training))

    def tell(self, number: int, result: TrialResult) -> None:
        """Tells how a running trial ended, with its limits judged."""
        violations, margins = self.judge.add(result), self.judge.margins(result)
        trial = self._running.pop(number)
        tell(self.optuna, self._spec, trial, result, violations, margins)

    def add_prior(self, results: Iterable[tuple[CompleteTrial, Start]]) -> None:
        """Adds trials of earlier sweeps, before any of this one."""
        given, judge = list(results), LimitJudge(self._spec)
        for result, _ in given:  # All first: an earlier sweep need not begin with its baseline.
            judge.take(result)
        for result, start in given:
            self._add(start, result, judge.violations(result), judge.margins(result), PRIOR)
        self._n_prior += len(given)

    def rebuild(self, results: Iterable[TrialResult], pending: PendingTrials) -> None:
        """Makes the trials of this sweep from its results and its record of what is running.

        Each gets the number that it had, so that the sampler goes on as if no driver had ended. A
        result without a number takes the lowest that is free, and the numbers of refused proposals
        are filled.

        Args:
            results: in the order in which they ended; those of another space are left out.
            pending: trials to resume.

        Raises:
            StoreError: a complete trial lacks an objective at the threshold that the search
                compares at.
        """
        located = [(result, self._spec.locate(result.config)) for result in results]
        ended = [(result, start) for result, start in located if start is not None]
        for result, _ in ended:
            self._check_objectives(result)
        judge = self.judge
        judged = [(s, result, judge.add(result), judge.margins(result)) for result, s in ended]
        numbers = _numbered([result for result, _ in ended], pending.proposals)
        by_number = dict(zip(numbers, judged, strict=True))
        used = (*numbers, *pending.proposals, pending.next_number - 1)
        pending.next_number = max(used) + 1
        for number in range(pending.next_number):
            if number in by_number:
                self._add(*by_number[number])
            elif number in pending.proposals:
                self._resume(pending.proposals[number])
            else:
                self.optuna.add_trial(create_trial(state=TrialState.FAIL))

    def _check_objectives(self, result: TrialResult) -> None:
        try:
            if isinstance(result, CompleteTrial):
                objectives(self._spec, result)
        except ValueError as error:
            raise StoreError(
                f"results/{result.trial_id}.json: {error} (move the file away, then --resume runs"
                " another trial)"
            ) from error

    def _start(self, trial: Trial) -> tuple[int, Start]:
        number = trial.number - self._n_prior
        self._running[number] = trial
        return number, suggest(trial, self._spec)

    def _resume(self, proposal: Proposal) -> None:
        number = self.ask_at(proposal.start)
        self._set_attrs(number, proposal.sampler_attrs)
        self.begin(number, proposal.start, proposal.seed, proposal.origin)

    def _set_attrs(self, number: int, attrs: Mapping[str, Any]) -> None:
        for name, value in attrs.items():
            self._storage.set_trial_system_attr(self._trial_key(number), name, value)

    def _trial_key(self, number: int) -> int:
        """Key of a proposal's trial in the storage."""
        study_key = self._storage.get_study_id_from_name(self.optuna.study_name)
        optuna_number = self.optuna_number(number)
        return self._storage.get_trial_id_from_study_id_trial_number(study_key, optuna_number)

    def _add(
        self,
        start: Start,
        result: TrialResult,
        violations: Mapping[str, float],
        margins: Mapping[str, float],
        id_attr: str = TRIAL_ID,
    ) -> None:
        every = self._distributions
        trial = ended_trial(self._spec, every, start, result, violations, margins, id_attr)
        # Samplers look at trials in the order in which they ended.
        trial.datetime_complete = datetime.fromtimestamp(result.finished_at)
        self.optuna.add_trial(trial)


def _numbered(results: Sequence[TrialResult], running: Container[int]) -> list[int]:
    """The number of each result: its own, or the lowest that nothing else has."""
    owners: dict[int, int] = {}
    highest = highest_number(len(results))
    for i, result in enumerate(results):
        number = result.number
        if number is not None and 0 <= number < highest and number not in running:
            owners.setdefault(number, i)
    own = {i: number for number, i in owners.items()}
    free = (number for number in count() if number not in owners and number not in running)
    return [own[i] if i in own else next(free) for i in range(len(results))]
