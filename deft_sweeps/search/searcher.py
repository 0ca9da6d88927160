"""Ray Tune's Searcher over an Optuna study by ask and tell, and the one place where a finished
trial is kept.

A trial that ends is stored, then told to the study, then reported to whoever follows. Each step may
be done twice without harm, so a driver that dies between two of them is caught up with on the next
start.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from optuna.study import Study
from optuna.trial import Trial
from pydantic import ValidationError
from ray.tune.search import Searcher

from deft_sweeps.errors import StoreError, SweepError
from deft_sweeps.result import CompleteTrial, FailedTrial, StoppedTrial, TrialResult, read_result
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.search.failure_streak import Streak
from deft_sweeps.search.repeats import Taken, ask
from deft_sweeps.search.trial_report import RESULT, reported_rung
from deft_sweeps.search.warm_start import tell_prior
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import EarlyStopping
from deft_sweeps.store.results import SweepDir
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.study.buffered import flush
from deft_sweeps.study.lease import Lease
from deft_sweeps.study.limit_judge import LimitJudge
from deft_sweeps.study.optuna_study import (
    SEED,
    TRIAL_ID,
    VERDICTS,
    begin,
    begin_extra,
    enqueue,
    finished,
    objectives,
    open_study,
    tell,
    unfinished,
)
from deft_sweeps.study.parameters import start_of, suggest
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.storage import BROKEN, connect, kept_in, let_go, root, study_name


class StudySearcher(Searcher):  # type: ignore[misc]  # Ray ships no types
    """Proposes until `target` trials of the sweep are finished.

    Trials that an earlier driver left unfinished come first, under their number and seed, so that
    they go on from their checkpoint.

    Args:
        spec: of the sweep.
        sweep: its folder; results in it are told to the study first.
        target: finished trials to reach, earlier ones counted.
        first: points to try before the sampler's own; one that the study already has is left out.
        extra: points to try before those, also where the study already has them, and also when the
            search is over.
        enough: says why the search is over; while it says nothing, it goes on.
        on_finish: called with each result once it is stored and told.
        on_trouble: called with a sentence when something could not be written.
        stopping: while it says so, nothing more is proposed.
        slots: trials that may run at a time, asked before each proposal; None is no limit.
    """

    def __init__(
        self,
        spec: SweepSpec,
        sweep: SweepDir,
        *,
        target: int,
        first: Iterable[Start] = (),
        extra: Iterable[Start] = (),
        enough: Callable[[], str] = lambda: "",
        on_finish: Callable[[TrialResult], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        slots: Callable[[], int] | None = None,
    ) -> None:
        super().__init__()
        self._spec, self._sweep, self._target, self._enough = spec, sweep, target, enough
        self._on_finish, self._on_trouble, self._stopping = on_finish, on_trouble, stopping
        self._slots = slots
        sweep.root.mkdir(parents=True, exist_ok=True)
        stored = sweep.results()
        self.hopeless: SweepError | None = None
        self._judge, self._lease = LimitJudge(spec), Lease(sweep.root)
        where = kept_in(spec, sweep)
        self._storage = connect(where, sweep)
        self.study: Study = open_study(
            spec,
            self._storage,
            stored,
            name=study_name(where, sweep),
            judge=self._judge,
            lease=self._lease,
            every=True,
        )
        self._judge.forget_failures()  # Those of earlier drivers.
        self.study.sampler = study_sampler(spec)
        enqueue(self.study, spec, extra, again=True)
        enqueue(self.study, spec, first)
        tell_prior(self.study, spec, sweep)
        flush(self.study)
        self._taken = Taken((result.trial_id for result in stored), spec.search.repeats)
        self._early = EarlyStopping(spec, self.study, stored, on_trouble)
        self._again = [
            self._taken_up(t.number, t.params, t.user_attrs) for t in unfinished(self.study)
        ]
        self._taken.update(proposal.trial_id for proposal in self._again)
        self._unsaved: Proposal | None = None
        self._over = ""
        self._streak = Streak()
        self._n_finished = len(finished(self.study))
        self._live: dict[str, Proposal] = {}
        # Tune's ids of trials under way, and why the worker is gone or could not start.
        self.lost: dict[str, str] = {}
        self._late: list[tuple[Proposal, TrialResult]] = []
        self._tried_at = 0.0

    @property
    def running(self) -> tuple[Proposal, ...]:
        """Trials under way."""
        return tuple(self._live.values())

    @property
    def n_finished(self) -> int:
        """Trials of the sweep that are stored and told."""
        return self._n_finished

    @property
    def over(self) -> str:
        """Why the search ended before its target, a sentence; empty where it did not."""
        return self._over

    @property
    def late(self) -> tuple[TrialResult, ...]:
        """Results that could not be kept yet."""
        return tuple(result for _, result in self._late)

    def proposal(self, tune_id: str) -> Proposal | None:
        """The trial that Tune calls `tune_id`, while it runs."""
        return self._live.get(tune_id)

    def suggest(self, trial_id: str) -> dict[str, object] | str | None:
        """The next trial's settings; FINISHED when there is none to come, None when there is none
        now.
        """
        self.settle()
        if self._stopping() or self._n_finished + len(self._live) + len(self._late) >= self._target:
            return str(Searcher.FINISHED)
        if self._late:
            return None  # What finishes now could not be kept either.
        if self._slots is not None and len(self._live) >= self._slots():
            return None
        try:
            proposal = self._unsaved = self._unsaved or self._next()
            flush(self.study)  # What runs must be known to whoever takes up the sweep.
            self._unsaved = None
        except BROKEN as error:
            self._on_trouble(f"the study cannot be written, waiting: {short_reason(root(error))}")
            return None
        if proposal is None:
            return str(Searcher.FINISHED) if self.hopeless or self._over else None
        self._live[trial_id] = proposal
        return proposal.tune_config()

    def goes_on(self, trial_id: str, told: dict[str, Any]) -> bool:
        """Whether a trial goes on past the report `told`; only a rung can end it."""
        proposal, rung = self._live.get(trial_id), reported_rung(told)
        return (
            proposal is None
            or rung is None
            or self._early.goes_on(proposal.number, proposal.config, proposal.seed, rung)
        )

    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        """Keep what the trial gave. Without a TrialResult in `result` it was lost (`error`) or
        stopped early.
        """
        proposal, why = (
            self._live.pop(trial_id, None),
            self.lost.pop(trial_id, "no reason is known"),
        )
        if proposal is None:
            return
        text = (result or {}).get(RESULT)
        if isinstance(text, str):
            final: TrialResult = self._checked(proposal, text)
        elif error:
            final = self._failed(
                proposal,
                f"its worker was lost {self._spec.budget.max_failures + 1} times, last: {why}",
            )
        else:
            final = self._stopped(proposal)
        self._late.append((proposal, final))
        self.settle(now=True)

    def settle(self, *, now: bool = False) -> None:
        """Keep what could not be kept before, in the order it finished; tries at most once a second
        unless `now`.
        """
        if not self._late or (not now and time.monotonic() - self._tried_at < 1.0):
            return
        self._tried_at = time.monotonic()
        while self._late:
            proposal, result = self._late[0]
            try:
                self._sweep.write(result)
                tell(
                    self.study,
                    self._spec,
                    proposal.number,
                    result,
                    self._judge.add(result),
                    self._judge.margins(result),
                )
                flush(self.study)
            except BROKEN as error:
                self._on_trouble(
                    f"a finished trial cannot be written, trying again: {short_reason(root(error))}"
                )
                return
            self._late.pop(0)
            self._n_finished += 1
            self._sweep.checkpoint_path(result.trial_id).unlink(missing_ok=True)
            self._sweep.rungs_path(result.trial_id).unlink(missing_ok=True)
            self._early.forget(result.trial_id)
            if not isinstance(result, CompleteTrial):
                self._sweep.weights_path(result.trial_id).unlink(missing_ok=True)
            self._streak.add(result)
            self._on_finish(result)

    def beat(self) -> None:
        """Renew the right to the study.

        Raises:
            StoreError: another driver has taken it.
        """
        try:
            self._lease.beat(self.study)
        except StoreError:  # An OSError too, but nothing that passes.
            raise
        except BROKEN:
            return  # What is written next will tell.

    def close(self) -> None:
        """Let go of the study and of its storage."""
        with suppress(*BROKEN):
            self._lease.release(self.study)
        with suppress(*BROKEN):
            let_go(self._storage)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: store and study hold it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Not how a sweep goes on: start a new searcher on its folder.

        Raises:
            StoreError: always.
        """
        raise StoreError(
            "a sweep goes on from its folder, not from Tune's checkpoint of the search"
        )

    def _next(self) -> Proposal | None:
        """What runs next; None while a limit's baseline must finish first, or, with `hopeless` set,
        cannot, or when the search is over.
        """
        if self._streak.told:
            self.hopeless = SweepError(self._streak.told)
            return None
        if not self._again:
            self._over = self._over or self._enough()
            # First points and an earlier sweep's may still wait; they are the search's.
            if self._over:
                extra = begin_extra(self.study)
                return None if extra is None else self._named(extra)
        name = self._judge.missing
        if name is None:
            return (
                replace(self._again.pop(0), started_at=time.time()) if self._again else self._ask()
            )
        if any(proposal.config.is_baseline(name) for proposal in self._live.values()):
            self._on_trouble(f"all else waits for baseline({name}), which the limits compare with")
            return None
        begun = next(
            (proposal for proposal in self._again if proposal.config.is_baseline(name)), None
        )
        if begun is not None:
            self._again.remove(begun)
            return replace(begun, started_at=time.time())
        failures = self._judge.failures(name)
        if len(failures) > self._spec.budget.max_failures:
            told = (
                f"baseline({name}), which the limits compare with, failed {len(failures)} times,"
                f" last: {failures[-1]}"
            )
            self.hopeless = SweepError(told)
            return None
        return self._ask(self._judge.start(name))

    def _ask(self, start: Start | None = None) -> Proposal | None:
        trial = (
            begin(self.study, self._spec, start) if start is not None else begin_extra(self.study)
        )
        trial = trial or ask(self.study, self._spec, self._taken)
        if trial is None:
            self._over = (
                "every configuration of the space has run as often as `repeats` allows,"
                f" {self._spec.search.repeats} times"
            )
            return None
        return self._named(trial)

    def _named(self, trial: Trial) -> Proposal:
        config = self._spec.config(suggest(trial, self._spec))
        seed = self._taken.next_seed(config, self._spec.trial_seed)
        proposal = Proposal(trial.number, config, seed, time.time())
        trial.set_user_attr(SEED, seed)
        # Last: from here on the trial counts as begun.
        trial.set_user_attr(TRIAL_ID, proposal.trial_id)
        self._taken.update([proposal.trial_id])
        return proposal

    def _taken_up(self, number: int, params: dict[str, object], attrs: dict[str, Any]) -> Proposal:
        proposal = Proposal(
            number, self._spec.config(start_of(self._spec, params)), attrs[SEED], time.time()
        )
        self._early.take_up(
            proposal.config,
            proposal.seed,
            self._sweep.rungs(proposal.trial_id),
            attrs.get(VERDICTS, ()),
        )
        return proposal

    def _checked(self, proposal: Proposal, text: str) -> TrialResult:
        """The result, or a failed one if it cannot be used.

        What is stored can always be read, and its objectives are finite.
        """
        try:
            result = read_result(text.encode())
            if result.trial_id != proposal.trial_id:
                raise ValueError(f"a result of another trial, {result.trial_id}")
            if isinstance(result, CompleteTrial):
                objectives(self._spec, result)
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join(str(part) for part in wrong["loc"])
            what = "its result cannot be kept (is a number not finite?)"
            return self._failed(proposal, f"{what}: {where}: {wrong['msg']}")
        except ValueError as error:
            return self._failed(proposal, str(error))
        return result

    def _failed(self, proposal: Proposal, error: str) -> FailedTrial:
        return FailedTrial(
            config=proposal.config,
            seed=proposal.seed,
            error=error,
            rungs=self._early.rungs(proposal.trial_id),
            started_at=proposal.started_at,
            finished_at=time.time(),
        )

    def _stopped(self, proposal: Proposal) -> StoppedTrial:
        return StoppedTrial(
            config=proposal.config,
            seed=proposal.seed,
            rungs=self._early.rungs(proposal.trial_id),
            started_at=proposal.started_at,
            finished_at=time.time(),
        )
