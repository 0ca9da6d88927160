"""A search's trials on Ray Tune."""

from typing import Any

from ray import tune
from ray.tune.error import TuneError

from deft_sweeps.errors import SweepError
from deft_sweeps.result import MachineShare
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep.driver import Driver, DriverCallback
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.memory_kill import memory_kills_as_deaths
from deft_sweeps.sweep.share_scheduler import ShareScheduler
from deft_sweeps.sweep.stall_watch import StallWatch
from deft_sweeps.sweep.trainable import TrialTrainable
from deft_sweeps.sweep.trial_slots import trial_slots
from deft_sweeps.sweep.worker_settings import shipped
from deft_sweeps.trial.protocol import TrialStarterFactory


def run_tune(
    driver: Driver,
    searcher: StudySearcher,
    session: Session,
    maker: TrialStarterFactory,
) -> None:
    """Runs what the searcher proposes until it proposes nothing more.

    Raises:
        ConfigError: no node of a cluster can run a trial.
        SweepError: Tune itself stopped.
    """
    stalls = StallWatch(driver.spec.budget.stall_minutes)
    with trial_slots(driver, session) as slots, memory_kills_as_deaths():
        driver.slots = slots.allowed()
        try:
            tune.run(
                _trainable(driver, maker, slots.marker),
                name="sweep",
                num_samples=-1,
                search_alg=searcher,
                scheduler=ShareScheduler(
                    searcher,
                    slots.shares,
                    reason=stalls.reason,
                    all_fit=lambda: slots.all_fit(len(searcher.running)),
                    warn=driver.warn,
                ),
                callbacks=[
                    DriverCallback(driver, searcher, slots.allowed, slots.n_waiting, stalls)
                ],
                resources_per_trial=slots.shares.placement(MachineShare(slots.shares.needs)),
                max_failures=driver.spec.budget.max_failures,
                reuse_actors=True,
                raise_on_failed_trial=False,
                storage_path=str(session.scratch),
                trial_name_creator=str,
                trial_dirname_creator=_dirname,
                verbose=0,
            )
        except TuneError as error:
            raise SweepError(f"Ray Tune stopped: {short_reason(error)}") from error


def _trainable(driver: Driver, maker: TrialStarterFactory, marker: str) -> Any:
    """What a worker runs, with all that its trials share."""
    minutes = driver.spec.budget.checkpoint_minutes
    return tune.with_parameters(
        TrialTrainable,
        maker=shipped(maker),
        folder=str(driver.sweep.root.resolve()),
        marker=marker,
        n_threads=driver.spec.budget.cpus_per_trial,
        checkpoint_every_sec=None if minutes is None else 60.0 * minutes,
        stopping=driver.spec.stopping,
        rung_thresholds=driver.spec.rung_thresholds,
        may_be_replaced=driver.spec.budget.max_failures > 0,
    )


def _dirname(trial: object) -> str:
    return str(getattr(trial, "trial_id", trial))
