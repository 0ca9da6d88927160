"""A search's trials on Ray Tune."""

from ray import tune
from ray.tune.error import TuneError

from deft_sweeps.errors import SweepError
from deft_sweeps.projection.memory_fit import largest_trial
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.stopping.early_stopping import RungScheduler
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep.cluster import SlotCount
from deft_sweeps.sweep.driver import Driver, DriverCallback
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.stall_watch import StallWatch
from deft_sweeps.sweep.trainable import TrialTrainable
from deft_sweeps.sweep.trial_slots import cluster_slots, local_slots
from deft_sweeps.trial.protocol import TrialStarterFactory


def run_tune(
    driver: Driver,
    searcher: StudySearcher,
    session: Session,
    maker: TrialStarterFactory,
    checkpoint_every_sec: float,
) -> None:
    """Runs what the searcher proposes until it proposes nothing more.

    Raises:
        SweepError: Tune itself stopped.
    """
    budget = driver.spec.budget
    needs: dict[str, float] = {"cpu": budget.cpus_per_trial, "gpu": budget.gpus_per_trial}
    count: SlotCount | None = None
    if session.slots is None:
        trial = largest_trial(driver.spec, on_gpu=False) if budget.gpus_per_trial == 0 else None
        if trial is not None:
            needs["memory"] = trial.n_bytes
        count = SlotCount(needs)
        slots = cluster_slots(driver, count)
    else:
        slots = local_slots(driver, session.slots)
    driver.slots = slots()
    trainable = tune.with_parameters(
        TrialTrainable,
        maker=maker,
        folder=str(driver.sweep.root.resolve()),
        n_threads=budget.cpus_per_trial,
        checkpoint_every_sec=checkpoint_every_sec,
        stopping=driver.spec.stopping,
        rung_thresholds=driver.spec.rung_thresholds,
        may_be_replaced=budget.max_failures > 0,
    )
    stalls = StallWatch(budget.stall_minutes)
    try:
        tune.run(
            trainable,
            name="sweep",
            num_samples=-1,
            search_alg=searcher,
            scheduler=RungScheduler(
                searcher.may_continue,
                lambda tune_id, why: searcher.lost.update({tune_id: stalls.reason(tune_id, why)}),
                all_fit=lambda: count is not None and len(searcher.running) <= count(),
            ),
            callbacks=[DriverCallback(driver, searcher, slots, stalls)],
            resources_per_trial=needs,
            max_failures=budget.max_failures,
            reuse_actors=True,
            raise_on_failed_trial=False,
            storage_path=str(session.scratch),
            trial_name_creator=str,
            trial_dirname_creator=_dirname,
            verbose=0,
        )
    except TuneError as error:
        raise SweepError(f"Ray Tune stopped: {short_reason(error)}") from error


def _dirname(trial: object) -> str:
    return str(getattr(trial, "trial_id", trial))
