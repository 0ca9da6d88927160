"""Measures a choice on the test split: what was chosen, its baseline and its twin, each alone."""

from collections.abc import Callable, Iterable

from deft_sweeps.result import FinalMeasurement
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.final_record import FinalRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.sweep.measurement_process import Unmeasured
from deft_sweeps.sweep.measuring_note import measuring
from deft_sweeps.trial.final_job import FinalJob


def measure_choice(
    spec: SweepSpec,
    sweep: SweepDir,
    record: FinalRecord,
    jobs: tuple[FinalJob, ...],
    say: Callable[[str], None],
    ray_address: str | None = None,
) -> tuple[str, ...]:
    """Measure on the test split what was not measured there before.

    Args:
        spec: of the sweep.
        sweep: its folder.
        record: of the policy.
        jobs: of the policy's choice.
        say: is called with a line for each measurement.
        ray_address: of a Ray cluster; None starts a local Ray.

    Returns:
        A sentence for each job that cannot be done. What was measured of it before, stays.
    """
    finals = record.measurements()
    if not jobs or final.already_measured(jobs, finals):
        return ()
    ready, unmeasured = final.with_weights(sweep, jobs)
    of_lost = [job for job in jobs if job.role in {each.role for each in unmeasured}]
    standing = {f.role for f in finals if any(final.is_of(f, job) for job in of_lost)}
    unmeasured = tuple(each for each in unmeasured if each.role not in standing)
    if ready and not final.already_measured(ready, [f for f in finals if f.role not in standing]):
        record.clear(keep=standing)
        measurements = final.measure(ready, spec, sweep, ray_address=ray_address)
        with measuring(sweep) as beat:
            unmeasured += _measure_each(record, measurements, say, beat)
    return tuple(map(str, unmeasured))


def _measure_each(
    record: FinalRecord,
    measurements: Iterable[FinalMeasurement | Unmeasured],
    say: Callable[[str], None],
    beat: Callable[[], None],
) -> tuple[Unmeasured, ...]:
    unmeasured: list[Unmeasured] = []
    for measurement in measurements:
        if isinstance(measurement, Unmeasured):
            unmeasured.append(measurement)
            continue
        record.write(measurement)
        score = measurement.point.score
        say(
            f"{measurement.role} on the test split: {score.metric} {score.value:.3f} (s.e."
            f" {score.standard_error:.3f}, n = {score.n_examples}) at activation density"
            f" {measurement.point.density.overall:.3f}, measured alone"
        )
        beat()
    return tuple(unmeasured)
