"""A trial in a worker: Ray Tune's class trainable around a TrialRun.

The worker process outlives its trials, and with it the TrialStarter: imports, base and data are
paid for once a worker. A trial's own checkpoint lies in the sweep's folder, so whoever takes the
trial up again, in this sweep or after a restart of the driver, goes on from there; Tune's
checkpoints hold nothing. Each attempt writes under a number of its own (`store/unfinished_trial`).
"""

import gc
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune import Trainable

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.errors import DeftSweepsError, InfeasibleTrialError, TrialError
from deft_sweeps.result import (
    Advance,
    CompleteTrial,
    FailedTrial,
    MachineShare,
    Rung,
    StepMetrics,
    TrialResult,
)
from deft_sweeps.search.memory_exhaustion import (
    exhausted_shares,
    is_out_of_memory,
    micro_batches_of,
    note_exhaustion,
)
from deft_sweeps.search.trial_report import SHARE, TROUBLE, report
from deft_sweeps.specification.search_settings import NoStopping, Stopping
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import Attempt, UnfinishedTrial
from deft_sweeps.sweep.checkpoint_interval import CheckpointClock, CheckpointCost
from deft_sweeps.sweep.loading_turn import loading_turn, n_turns, turns_folder
from deft_sweeps.sweep.report_steps import next_report, rungs_before_end
from deft_sweeps.sweep.rung_measurement import measured_rung
from deft_sweeps.sweep.trial_resumption import NoRoomNowError, resumption
from deft_sweeps.sweep.worker_settings import ShippedCall
from deft_sweeps.trial.protocol import TrialRun, TrialStarter, TrialStarterFactory

WAIT_SEC = 1.0
"""Between two attempts to write what must be kept."""


class TrialTrainable(Trainable):  # type: ignore[misc]  # Ray ships no types
    """One worker's trials, one after the other."""

    def setup(
        self,
        config: dict[str, Any],
        maker: TrialStarterFactory | ShippedCall | None = None,
        folder: str = "",
        n_threads: int = 1,
        checkpoint_every_sec: float | None = None,
        stopping: Stopping = NoStopping(),  # noqa: B008 (frozen)
        rung_thresholds: tuple[float, ...] = (),
        may_be_replaced: bool = False,
        marker: str = "",
    ) -> None:
        """Take the worker's fixed things, then its first trial.

        Args:
            config: `config`, a TrialConfig's JSON, `seed`, `n_trials` that run at a time, and the
                JSON of the MachineShare that the trial has.
            maker: of the TrialStarter, as it is or with the driver's settings; called by the first
                trial, not here, so that what it raises is that trial's failure.
            folder: of the sweep, absolute.
            n_threads: of a trial, for OpenMP, which reads it when torch is imported.
            checkpoint_every_sec: of training, at least, between two checkpoints; None follows what
                they cost.
            stopping: at whose rungs a trial is measured, and may be ended by the driver.
            rung_thresholds: measured there.
            may_be_replaced: a trial that a worker refuses is taken to another one.
            marker: a file of the driver in the sweep's folder, which this worker must see; empty
                looks for none.

        Raises:
            TrialError: the sweep's folder is not shared with this node.
        """
        if marker and not os.path.exists(marker):
            raise TrialError(f"{folder} of {socket.gethostname()} is not the driver's folder")
        os.environ["OMP_NUM_THREADS"] = str(n_threads)
        self._maker = maker.unpacked() if isinstance(maker, ShippedCall) else maker
        self._starter: TrialStarter | None = None
        self._sweep = SweepDir(Path(folder))
        self._checkpoints = CheckpointClock(checkpoint_every_sec)
        self._stopping, self._rung_thresholds = stopping, rung_thresholds
        self._may_be_replaced, self._in_doubt = may_be_replaced, ""
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._trial_config: TrialConfig = codec(TrialConfig).validate_json(new_config["config"])
        self._seed = int(new_config["seed"])
        self._share: MachineShare = codec(MachineShare).validate_json(new_config.get(SHARE, "{}"))
        trial_id = self._trial_config.trial_id(self._seed)
        self._files = UnfinishedTrial(self._sweep, trial_id)
        self._own_files: Attempt | None = None
        self._run: TrialRun | None = None
        self._unkept: tuple[TrialResult, bytes] | None = None
        self._step, self._trouble, self._in_training = 0, "", False
        self._rungs: tuple[Rung, ...] = ()
        self._started_at = time.time()
        self._checkpoints.begin(time.monotonic(), int(new_config.get("n_trials", 1)))
        return True

    def step(self) -> dict[str, Any]:
        """Advance to the next report; the last one carries the TrialResult, a failed one where the
        trial could not go on.

        Raises:
            TrialError: this worker cannot take the trial up, and another one may: it has no room
                for the checkpoint just now, or the trial before failed here of something
                unforeseen, after which the process may be of no use to any (a device error stays
                with it).
        """
        reported = self._progress()
        if self._trouble:
            reported.setdefault(TROUBLE, self._trouble)
            self._trouble = ""
        return reported

    def _progress(self) -> dict[str, Any]:
        """The next report."""
        if self._in_doubt:
            raise TrialError(f"the trial before it left the worker in doubt: {self._in_doubt}")
        try:
            if self._unkept is not None:
                return self._last_report(*self._unkept, ())
            if self._run is None:
                self._run = self._start()
                # Whoever was to decide about it may have died before.
                if self._step in self._rungs_ahead:
                    return self._rung_report(self._run, ())
            trained = self._trained(self._run)
            self._step = trained.step
            if trained.done:
                weights = self._run.weights()
                return self._last_report(
                    replace(self._run.finish(), rungs=self._rungs), weights, trained.steps
                )
            if trained.step in self._rungs_ahead:
                return self._rung_report(self._run, trained.steps)
            return self._next_report(self._run, trained)
        except NoRoomNowError as error:
            raise TrialError(short_reason(error.__cause__ or error)) from error
        except Exception as error:  # Whatever is wrong with one trial, the sweep goes on.
            self._run = None
            return self._error_report(error)

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """For a scheduler that pauses trials: ours is written, Tune's stays empty."""
        if self._run is not None:
            self._save(self._run)
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to do: a trial starts from our checkpoint."""

    def cleanup(self) -> None:
        """Let go of the trial and of what the worker kept warm."""
        self._run = self._starter = None

    def _trained(self, run: TrialRun) -> Advance:
        """Train to the next report."""
        self._in_training = True
        n_steps = self._trial_config.training.steps
        stop = next_report(self._step, n_steps, self._rungs_ahead)
        trained = run.advance(stop - self._step)
        self._in_training = False
        return trained

    @property
    def _attempt(self) -> Attempt:
        """This worker's at the trial.

        Raises:
            OSError: it cannot be begun; the next use tries again.
        """
        self._own_files = self._own_files or self._files.begin()
        return self._own_files

    @property
    def _rungs_ahead(self) -> tuple[int, ...]:
        """Steps at which the trial is measured on its way."""
        return rungs_before_end(self._stopping, self._trial_config.training.steps)

    def _start(self) -> TrialRun:
        n_micro_batches = micro_batches_of(
            self._trial_config, self._files.exhaustions(), self._share
        )
        is_split = n_micro_batches > self._trial_config.training.accumulation
        if is_split:
            gc.collect()  # What the attempt before it held, cycles included.
        run = self._taken_up()
        if is_split:
            run.split(n_micro_batches)
        return run

    def _taken_up(self) -> TrialRun:
        """The trial from its checkpoint, or from the start."""
        if self._starter is None:
            if self._maker is None:
                raise TrialError("the worker was given nothing to make trials with")
            with loading_turn(turns_folder(), n_turns()):
                self._starter = self._maker()
        with suppress(OSError):  # A full disk: the first write begins it.
            _ = self._attempt
        if self._rungs_ahead:
            self._rungs = self._files.rungs()
        starter = self._starter
        taken_up = resumption(
            self._files, lambda state: starter(self._trial_config, self._seed, state)
        )
        self._trouble = taken_up.trouble
        if taken_up.run is None:
            return starter(self._trial_config, self._seed, None)
        if self._rungs_ahead:
            self._step = taken_up.run.advance(0).step
        return taken_up.run

    def _next_report(self, run: TrialRun, rung: Advance) -> dict[str, Any]:
        if self._checkpoints.is_due(time.monotonic()):
            self._save(run)
        return report(rung.step, rung.steps)

    def _rung_report(self, run: TrialRun, steps: tuple[StepMetrics, ...]) -> dict[str, Any]:
        """Measure the trial as it stands, unless that was done before; all of it is kept before
        anyone is told.
        """
        rung = next((rung for rung in self._rungs if rung.step == self._step), None)
        if rung is None:
            rung = measured_rung(run, self._step, self._rung_thresholds)
            self._rungs = (*self._rungs, rung)
            with suppress(OSError):  # As with checkpoints: a full disk costs a second measurement.
                self._attempt.write_rungs(self._rungs)
        self._save(run)
        return report(self._step, steps, rung=rung)

    def _last_report(
        self, result: TrialResult, weights: bytes, steps: tuple[StepMetrics, ...]
    ) -> dict[str, Any]:
        """The trial's result, once its weights are kept; until there is room for them, a report
        that says what it waits for.
        """
        self._run, attempt = None, None
        if isinstance(result, CompleteTrial):
            try:
                self._attempt.write_weights(weights)
                attempt = self._attempt.number
            except OSError as error:
                self._unkept = result, weights
                time.sleep(WAIT_SEC)
                return report(
                    self._step,
                    steps,
                    trouble=f"weights cannot be written, waiting: {short_reason(error)}",
                )
        return report(self._step, steps, result, attempt=attempt)

    def _save(self, run: TrialRun) -> None:
        began, cost = time.monotonic(), None
        with suppress(OSError):  # A full disk costs the checkpoint; the trial itself needs none.
            state, packed = run.state(), time.monotonic()
            self._attempt.write_checkpoint(state)
            written = time.monotonic()
            cost = CheckpointCost(pause_sec=written - began, write_sec=written - packed)
        self._checkpoints.saved(time.monotonic(), cost)

    def _error_report(self, error: Exception) -> dict[str, Any]:
        """The failed result of an error that was the trial's; after one of memory, what the trial
        does next.
        """
        if is_out_of_memory(error):
            return self._out_of_memory(error)
        if self._may_be_replaced and not isinstance(error, DeftSweepsError):
            self._in_doubt = short_reason(error)
        return report(self._step, (), self._failed(error))

    def _out_of_memory(self, error: Exception) -> dict[str, Any]:
        """A report that this worker tries again, from the checkpoint; if no finer split helps, one
        that leaves the trial to the driver, which may have a larger share for it.
        """
        config, files, share = self._trial_config, self._files, self._share
        noted = note_exhaustion(config, files, share, in_training=self._in_training)
        if not noted:
            unnoted = InfeasibleTrialError("it ran out of memory, which could not be noted")
            return report(self._step, (), self._failed(unnoted))
        step, self._step, self._in_training = self._step, 0, False
        if share in exhausted_shares(config, files.exhaustions()):
            return report(step, is_exhausted=True)
        n = micro_batches_of(config, files.exhaustions(), share)
        how = f"goes on from its checkpoint in {n} micro-batches a step"
        return report(step, trouble=f"{how}: {short_reason(error)}")

    def _failed(self, error: Exception) -> FailedTrial:
        return FailedTrial(
            config=self._trial_config,
            seed=self._seed,
            error=short_reason(error),
            infeasible=isinstance(error, InfeasibleTrialError),
            rungs=self._rungs,
            started_at=self._started_at,
            finished_at=time.time(),
        )
