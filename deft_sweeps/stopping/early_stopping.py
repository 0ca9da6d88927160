"""Early stopping while a sweep runs: verdicts that outlive a driver, and Ray Tune's scheduler."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import PartialTraining, Rung, TrialResult
from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.specification.search_settings import Halving, NoStopping
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.halving import HalvingRule
from deft_sweeps.store.secrets import last_failure, short_reason
from deft_sweeps.study.pending import PendingTrials
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.sweep_study import SweepStudy


class EarlyStopping:
    """Decides at rungs, and records each verdict before anyone acts on it.

    The rule decides. If it would stop a trial, the sampler `front` may let it go on. A restarted
    driver decides the same.

    Args:
        spec: of the sweep.
        study: of the sweep.
        pending: record of the running trials.
        stored: results of trials that have ended, with their rungs.
        on_trouble: called with a sentence if a verdict cannot be recorded.
    """

    def __init__(
        self,
        spec: SweepSpec,
        study: SweepStudy,
        pending: PendingTrials,
        stored: Iterable[TrialResult],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._study, self._pending, self._on_trouble = study, pending, on_trouble
        self._rule = _rule(spec)
        self._rungs: dict[str, dict[int, Rung]] = {}
        for result in stored if self._rule is not None else ():
            for rung in result.rungs:
                self._record(result.config, result.seed, rung, True)

    def resume(self, proposal: Proposal, rungs: Iterable[Rung]) -> None:
        """Takes up a trial that an earlier driver began.

        Args:
            proposal: of the trial, with the verdicts on it.
            rungs: what it measured; one without a verdict will be reported again.
        """
        if self._rule is None:
            return
        verdicts = dict(proposal.verdicts)
        decided = {rung.step: rung for rung in rungs if rung.step in verdicts}
        for rung in decided.values():
            self._record(proposal.config, proposal.seed, rung, verdicts[rung.step])
        if decided:
            self._rungs[proposal.trial_id] = decided
            self._observe(proposal)

    def may_continue(self, number: int, rung: Rung) -> bool:
        """Whether a running trial goes on past a rung; may be asked twice."""
        proposal = self._pending.proposals.get(number)
        if self._rule is None or proposal is None:
            return True
        self._rungs.setdefault(proposal.trial_id, {})[rung.step] = rung
        self._observe(proposal)
        earlier = dict(proposal.verdicts)
        may_continue = earlier.get(rung.step, False)
        if not may_continue:
            config, seed, whole = proposal.config, proposal.seed, proposal.runs_whole
            may_continue = self._rule.may_continue(config, seed, rung, whole=whole)
        if not may_continue and rung.step not in earlier:
            may_continue = self._is_worth_finishing(number, rung.step)
        try:
            self._pending.decide(number, rung.step, may_continue)
        except OSError as error:
            self._on_trouble(
                f"a verdict of early stopping cannot be recorded: {short_reason(error)}; a restart "
                "may decide differently about a running trial"
            )
        return may_continue

    def rungs(self, trial_id: str) -> tuple[Rung, ...]:
        """What a running trial has measured, rising in steps."""
        measured = self._rungs.get(trial_id, {})
        return tuple(measured[step] for step in sorted(measured))

    def forget(self, trial_id: str) -> None:
        """Drops a trial that has ended and is stored; others are still compared with it."""
        self._rungs.pop(trial_id, None)

    def _is_worth_finishing(self, number: int, step: int) -> bool:
        """Whether the sampler `front` would let the trial finish; False with any other sampler.

        A trial that is behind at a rung need not be behind at its end if rungs say little about it.
        """
        sampler = self._study.sampler
        if not isinstance(sampler, FrontSampler):
            return False
        trial = self._study.optuna_number(number)
        return sampler.is_worth_finishing(self._study.optuna, trial, step)

    def _observe(self, proposal: Proposal) -> None:
        measured = self.rungs(proposal.trial_id)
        training = PartialTraining(config=proposal.config, seed=proposal.seed, rungs=measured)
        self._study.observe(proposal.number, training)

    def _record(self, config: TrialConfig, seed: int, rung: Rung, verdict: bool) -> None:
        if self._rule is not None:
            self._rule.record(config, seed, rung, verdict)


class RungScheduler(FIFOScheduler):  # type: ignore[misc]  # Ray ships no types
    """Stops trials that are behind at a rung, and reports why a worker was lost.

    Args:
        may_continue: whether the trial of this Tune id goes on past this report.
        on_lost: told a Tune id, and why its worker is gone or never was.
        all_fit: whether every trial under way has a slot. A worker that becomes free then takes the
            latest proposal. Otherwise it takes the earliest, as Tune does.
    """

    # A worker must not train on before the verdict is there.
    _supports_buffered_results = False

    def __init__(
        self,
        may_continue: Callable[[str, dict[str, Any]], bool],
        on_lost: Callable[[str, str], None],
        all_fit: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self._goes_on, self._on_lost, self._all_fit = may_continue, on_lost, all_fit

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The pending trial that gets the next free worker.

        A pending trial whose own worker is starting must not be it: Tune would stop that start. If
        trials end more often than a worker starts, a node that joins would never be used.
        """
        if not self._all_fit():
            return super().choose_trial_to_run(tune_controller)
        trials = reversed(tune_controller.get_trials())
        return next((trial for trial in trials if trial.status == Trial.PENDING), None)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Continue, or stop at a rung as the rule says."""
        return str(
            TrialScheduler.CONTINUE
            if self._goes_on(trial.trial_id, result)
            else TrialScheduler.STOP
        )

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Passes on why the trial failed: Tune tells the searcher no reason."""
        # No file, or none that can be read: the trial has failed all the same.
        with suppress(OSError, TypeError):
            self._on_lost(
                trial.trial_id,
                last_failure(Path(trial.error_file).read_text("utf-8", errors="replace")),
            )


def _rule(spec: SweepSpec) -> HalvingRule | None:
    match spec.stopping:
        case NoStopping():
            return None
        case Halving():
            return HalvingRule(spec.stopping, spec.objectives, spec.search_limits)
        case unknown:
            assert_never(unknown)
