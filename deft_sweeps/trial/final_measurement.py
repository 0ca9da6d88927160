"""The measurements that are quoted: front members, once, on the test split, and what their
structures cost, each structure alone in a process of its own; scores of the certificate's
candidates on the selection split.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from deft_sweeps.result import FinalMeasurement, Point, Provenance, StructureCost
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.build import TrialModel, build
from deft_sweeps.trial.calibration import percentile_for, threshold_for
from deft_sweeps.trial.cost import PeakMemory
from deft_sweeps.trial.energy_projection import with_energy
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.measuring import Measurer
from deft_sweeps.trial.run_provenance import provenance
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter


def final_measurements(
    factory: TorchTrialStarterFactory,
) -> Callable[[FinalJob], FinalMeasurement]:
    """Measures jobs whose trials share their structure, in this process, which must be a fresh one.

    The costs are those of the first job, since a process that has measured before has a lower peak.
    """
    starter, first = _builder(factory), list[FinalMeasurement]()

    def measure(job: FinalJob) -> FinalMeasurement:
        if not first:
            first.append(_measured(job, starter))
            return first[0]
        point, of_whom = measure_score(job, starter)
        return replace(
            first[0], role=job.role, trial_id=job.trial_id, point=point, provenance=of_whom
        )

    return measure


def measure_final(job: FinalJob, factory: TorchTrialStarterFactory) -> FinalMeasurement:
    """Build the trial's model from its weights and measure it on the job's split."""
    return _measured(job, _builder(factory))


def _measured(job: FinalJob, starter: TorchTrialStarter) -> FinalMeasurement:
    memory = PeakMemory(starter.device, starter.memory_floor)
    start = time.perf_counter()
    data = starter.data(job.config)
    trial_model = _built(starter, data, job)
    build_sec = time.perf_counter() - start
    start = time.perf_counter()
    point = _point(starter.measurer, trial_model, data, job)
    return FinalMeasurement(
        role=job.role,
        trial_id=job.config.trial_id(job.seed),
        point=point,
        cost=starter.measurer.cost(
            trial_model, data, memory, build_sec, 0.0, time.perf_counter() - start
        ),
        provenance=provenance(starter.device, data.fingerprint, trial_model.base.revision),
    )


def measure_score(job: FinalJob, starter: TorchTrialStarter) -> tuple[Point, Provenance]:
    """Build the trial's model from its weights and measure score and density on the job's split.

    The process may have measured other trials before: neither depends on it, as costs would.
    """
    data = starter.data(job.config)
    trial_model = _built(starter, data, job)
    point = _point(starter.measurer, trial_model, data, job)
    return point, provenance(starter.device, data.fingerprint, trial_model.base.revision)


def _builder(factory: TorchTrialStarterFactory) -> TorchTrialStarter:
    """A starter that maps no stored base: building one is part of the time and of the peak memory
    that are measured.
    """
    return replace(factory, shares_bases=False)()


def _built(starter: TorchTrialStarter, data: TaskData, job: FinalJob) -> TrialModel:
    trial_model = build(starter.base(job.config, data), job.config, job.seed, HeadSpec.of(data))
    trial_model.load(job.weights)
    return trial_model


def _point(measurer: Measurer, trial_model: TrialModel, data: TaskData, job: FinalJob) -> Point:
    """The job's point on its split, calibrated on validation examples if it names no threshold."""
    threshold, percentile, block_thresholds = job.threshold, job.percentile, job.block_thresholds
    if percentile is not None and not block_thresholds:
        histogram = measurer.gate_histogram(trial_model, data)
        if job.density is not None:
            validation = measurer.evaluator(trial_model, data, "validation")
            percentile = percentile_for(validation, histogram, job.density, job.measured)
        block_thresholds = histogram.thresholds(percentile)
    elif threshold is None:
        if job.density is None:
            raise ValueError("a final job needs a threshold, or a density to calibrate one to")
        validation = measurer.evaluator(trial_model, data, "validation")
        threshold = threshold_for(validation, job.density, job.measured)
    evaluator = measurer.evaluator(trial_model, data, job.split)
    point = (
        evaluator.point(threshold or 0.0)
        if percentile is None
        else evaluator.point_by_block(percentile, block_thresholds)
    )
    return with_energy((point,), trial_model, evaluator)[0]


def measure_structure(job: FinalJob, factory: TorchTrialStarterFactory) -> StructureCost:
    """Build the trial's model from its weights and measure what it costs to deploy."""
    starter = _builder(factory)
    memory = PeakMemory(starter.device, starter.memory_floor)
    data = starter.data(job.config)
    trial_model = _built(starter, data, job)
    evaluator = starter.measurer.evaluator(trial_model, data, "validation")
    # The longest examples are in the last batch.
    replace(evaluator, batches=evaluator.batches[-1:]).density(0.0)
    peak_bytes = memory.read()
    latency = starter.measurer.latency(trial_model, data)
    return StructureCost(
        trial_id=job.config.trial_id(job.seed),
        latency_sec=latency.median,
        latency_high_sec=latency.high,
        peak_memory_bytes=peak_bytes,
        provenance=provenance(starter.device, data.fingerprint, trial_model.base.revision),
    )
