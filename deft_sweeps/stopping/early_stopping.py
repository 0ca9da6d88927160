"""Early stopping while a sweep runs: the rule, what it must remember beyond a driver's death, and
its place in Ray Tune.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from optuna.study import Study
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import PartialTraining, Rung, TrialResult
from deft_sweeps.sampler.front.front_sampler import FrontSampler
from deft_sweeps.specification.search_settings import Halving, NoStopping
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.halving import HalvingRule
from deft_sweeps.store.secrets import last_failure
from deft_sweeps.study.buffered import flush
from deft_sweeps.study.optuna_study import POINTS, VERDICTS, WHOLE, live, rows_of
from deft_sweeps.study.storage import BROKEN


class EarlyStopping:
    """Decides at rungs: by the rule, and where that would stop a trial, by the sampler `front` if
    the study has it, which may let it go on. A verdict is written into the study before anyone acts
    on it, so it is the same after a restart.

    Args:
        spec: of the sweep.
        study: that it is told to.
        stored: results of trials that have ended, with their rungs.
        on_trouble: called with a sentence when something could not be written.
    """

    def __init__(
        self,
        spec: SweepSpec,
        study: Study,
        stored: Iterable[TrialResult],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._spec, self._study, self._on_trouble = spec, study, on_trouble
        self._rule = _rule(spec)
        self._rungs: dict[str, dict[int, Rung]] = {}
        for result in stored if self._rule is not None else ():
            for rung in result.rungs:
                self._record(result.config, result.seed, rung, True)

    def take_up(
        self,
        config: TrialConfig,
        seed: int,
        rungs: Iterable[Rung],
        verdicts: Iterable[tuple[int, bool]],
    ) -> None:
        """Know what an earlier driver did of a trial that goes on now; a rung without a verdict
        will be told again.
        """
        decided = dict(verdicts)
        for rung in rungs if self._rule is not None else ():
            if rung.step in decided:
                self._rungs.setdefault(config.trial_id(seed), {})[rung.step] = rung
                self._record(config, seed, rung, decided[rung.step])

    def goes_on(self, number: int, config: TrialConfig, seed: int, rung: Rung) -> bool:
        """Whether the study's trial `number` goes on past a rung; may be asked twice."""
        trial = live(self._study, number)
        if self._rule is None or trial is None:
            return True
        told = self._rungs.setdefault(config.trial_id(seed), {})
        told[rung.step] = rung
        earlier: dict[int, bool] = dict(trial.user_attrs.get(VERDICTS, ()))
        verdict = earlier.get(rung.step, False) or self._rule.goes_on(
            config, seed, rung, whole=bool(trial.user_attrs.get(WHOLE))
        )
        so_far = PartialTraining(config=config, seed=seed, rungs=self.rungs(config.trial_id(seed)))
        try:
            trial.set_user_attr(POINTS, rows_of(self._spec, so_far))
            if (
                not verdict
                and rung.step not in earlier
                and isinstance(self._study.sampler, FrontSampler)
            ):
                # Behind at a rung is not behind at the end where rungs tell little of it, which the
                # sampler's model has seen.
                verdict = self._study.sampler.is_worth_finishing(self._study, number, rung.step)
            trial.set_user_attr(
                VERDICTS, [[step, was] for step, was in (earlier | {rung.step: verdict}).items()]
            )
            flush(self._study)
        except BROKEN:
            self._on_trouble(
                "the study cannot be written: a restart may decide differently about a trial that"
                " is under way"
            )
        return verdict

    def rungs(self, trial_id: str) -> tuple[Rung, ...]:
        """What was measured on the way of a trial under way, rising in steps."""
        told = self._rungs.get(trial_id, {})
        return tuple(told[step] for step in sorted(told))

    def forget(self, trial_id: str) -> None:
        """The trial has ended and is stored; others are still compared with it."""
        self._rungs.pop(trial_id, None)

    def _record(self, config: TrialConfig, seed: int, rung: Rung, verdict: bool) -> None:
        if self._rule is not None:
            self._rule.record(config, seed, rung, verdict)


class RungScheduler(FIFOScheduler):  # type: ignore[misc]  # Ray ships no types
    """Ends a trial at a report where it is told to, and tells why a trial failed outside of its own
    steps.

    Args:
        goes_on: whether the trial of this Tune id goes on past this report.
        on_lost: told a Tune id, and why its worker is gone or never was.
        all_fit: whether every trial under way has a slot. A worker that becomes free then takes the
            latest proposal. Otherwise it takes the earliest, as Tune does.
    """

    # A worker must not train on before the verdict is there.
    _supports_buffered_results = False

    def __init__(
        self,
        goes_on: Callable[[str, dict[str, Any]], bool],
        on_lost: Callable[[str, str], None],
        all_fit: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self._goes_on, self._on_lost, self._all_fit = goes_on, on_lost, all_fit

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
        return str(
            TrialScheduler.CONTINUE
            if self._goes_on(trial.trial_id, result)
            else TrialScheduler.STOP
        )

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tune calls this before it tells the searcher, which is not told the exception; the
        trial's error file has it.
        """
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
