"""What `plan --json` prints of a sweep."""

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.projection.sweep_projection import SweepProjection, gpus_that_hold
from deft_sweeps.report.power_table import certification_told
from deft_sweeps.specification.domain import show as words
from deft_sweeps.specification.sampler_choice import choose_sampler
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.tasks.split import Examples


def plan_dict(
    spec: SweepSpec,
    projection: SweepProjection,
    not_in_the_time: list[str],
    splits: Examples | None,
) -> dict[str, object]:
    """What would run, and its projections.

    Args:
        spec: the sweep.
        projection: its memory and time.
        not_in_the_time: what makes a search shorter or longer than its trials, in sentences.
        splits: its examples; None if they cannot be read.
    """
    return {
        "name": spec.name,
        "n_trials": spec.budget.trials,
        "objectives": list(spec.objectives),
        "limits": [str(limit) for limit in spec.limits],
        "choose": str(spec.choose),
        "sampler": {"name": choose_sampler(spec).name, "why": choose_sampler(spec).why},
        "combinations": [
            {
                "label": c.label,
                "open": {name: words(domain) for name, domain in c.open.items()},
                "config": codec(TrialConfig).dump_python(c.template, mode="json"),
                "projected": {
                    "weight_bytes": e.weight_bytes,
                    "trainable_parameters": e.trainable_parameters,
                    "memory_bytes": e.memory_bytes,
                    "peak_bytes": {
                        "build": e.peak.build,
                        "train": e.peak.train,
                        "evaluate": e.peak.evaluate,
                    },
                    "time_sec": e.time_sec,
                    "train_flops": e.train_flops,
                },
            }
            for c in spec.combinations
            for e in [projection.trials[c.label]]
        ],
        "excluded": [{"label": e.label, "reason": e.reason} for e in spec.excluded],
        "first": [
            {"combination": start.combination, "values": dict(start.values)} for start in spec.first
        ],
        "projected": {
            "n_parallel": projection.n_parallel,
            "memory_bytes": projection.memory_bytes,
            "time_sec": projection.time_sec,
        },
        "not_in_the_time": not_in_the_time,
        "certificate": certification_told(spec, splits),
        "gpus": {
            base: {
                "largest": label,
                "gib_that_hold": list(gpus_that_hold(projection.trials[label].peak.highest)),
            }
            for base, label in projection.gpus.items()
        },
    }
