"""What the report's figures mean, and what they were taken on."""

from collections.abc import Sequence

from deft_sweeps.config.data import Splits, task_name
from deft_sweeps.findings.choice import Choice
from deft_sweeps.metrics import METRICS
from deft_sweeps.result import FinalMeasurement, TrialResult, complete_trials

KNOWN_MODELS = {
    "packaged/flan-t5-small-title": (
        "a Flan-T5-small that its publisher fine-tuned to write titles, rebuilt from dynamic int8"
        " weights; it is not Google's google/flan-t5-small, and figures of the two are not"
        " interchangeable"
    ),
}
"""What a reader must know of a checkpoint whose name promises more than it is."""


def method(
    results: Sequence[TrialResult], choice: Choice, *, growth_projected: bool
) -> list[tuple[str, str]]:
    """What the figures mean, a name and a sentence or two each.

    Args:
        results: of any status.
        choice: made from them.
        growth_projected: whether the page says what more trials would bring.
    """
    complete = complete_trials(results)
    thresholds = sorted(
        {
            point.threshold
            for result in complete
            for point in result.points
            if point.percentile is None
        }
    )
    shares = sorted(
        {
            point.percentile
            for result in complete
            for point in result.points
            if point.percentile is not None
        }
    )
    points = [(point, result.cost) for result in complete for point in result.points]
    projected = [
        metric
        for metric in METRICS.values()
        if metric.projection and any(metric.read(*pair) is not None for pair in points)
    ]
    only = [f"the {metric.title}" for metric in projected]
    only += ["what more trials would add to the hypervolume"] if growth_projected else []
    rows = [
        (
            "activation density",
            (
                "the share of entries |O| > threshold of each MLP block's gate, unweighted mean"
                " over the blocks of both stacks, teacher-forced on the real labels, padding and"
                " virtual tokens left out, the gate computed in float32 in every trial"
            ),
        ),
        (
            "thresholds",
            (
                f"{', '.join(f'{t:g}' for t in thresholds) or 'none measured'}: entries at or below"
                " are really zeroed, and score and density are measured together; one trained"
                " trial gives one point a threshold, and all of them compete for the front"
            ),
        ),
        *_percentiles(shares),
        ("front", f"hypervolume {choice.front.hypervolume:.4g}; {choice.front.reference_note}"),
        (
            "measured, proxy",
            "a `measured` latency or memory was taken alone on the machine; a `proxy` beside other"
            " trials; "
            + (
                f"only {' and '.join(only)} {'is' if len(only) == 1 else 'are'} projected"
                if only
                else "nothing here is projected"
            ),
        ),
        (
            "splits",
            (
                "train fits the adapters, validation is what search and choice see, test is read"
                " once for the chosen one and what it is compared with"
            ),
        ),
    ]
    if any(result.skipped for result in complete):
        rows.append(
            (
                "skipped blocks",
                (
                    "ADA-DEFT removed whole MLP blocks: each counts 0 in the density, and the mean"
                    " over the blocks it kept stands behind it; weights and latency are those of"
                    " the smaller model"
                ),
            )
        )
    rows += [(metric.title, f"projected, {metric.projection}") for metric in projected]
    for model in sorted({result.config.checkpoint for result in results}):
        rows.append(
            ("model", f"{model}: {KNOWN_MODELS[model]}" if model in KNOWN_MODELS else model)
        )
    for task in sorted({result.config.task for result in results}, key=repr):
        sizes = ", ".join(
            f"{split} {'all there are' if n is None else n}" for split, n in _sizes(task.splits)
        )
        rows.append(
            (
                "data",
                (
                    f"{task_name(task)}: asked for {sizes}; shuffle seed {task.splits.seed}; at"
                    f" most {task.max_input_tokens} input tokens"
                ),
            )
        )
    return rows


def provenance(
    results: Sequence[TrialResult], finals: Sequence[FinalMeasurement]
) -> list[tuple[str, str]]:
    """What it all ran on; a setting that was not the same throughout shows every value."""
    notes = [
        note
        for note in (
            *(r.provenance for r in complete_trials(results)),
            *(f.provenance for f in finals),
        )
        if note is not None
    ]
    rows: dict[str, set[str]] = {}
    for note in notes:
        own = {
            "python": note.python,
            "device": note.device,
            "threads a trial": str(note.n_threads),
            "commit": note.commit or "unknown",
            "dataset fingerprint": note.dataset_fingerprint,
            "checkpoint revision": note.checkpoint_revision,
        }
        for name, value in (own | dict(sorted(note.packages.items()))).items():
            rows.setdefault(name, set()).add(value)
    return [(name, ", ".join(sorted(values))) for name, values in rows.items()]


def _percentiles(shares: Sequence[float]) -> list[tuple[str, str]]:
    if not shares:
        return []
    percentiles = ", ".join(f"p{share:g}" for share in shares)
    what = (
        "each MLP block has a threshold of its own, at which that share of its entries is zeroed on"
        " training examples"
    )
    return [
        (
            "percentiles",
            f"{percentiles}: {what}; the share that held on the measured examples is the density",
        )
    ]


def _sizes(splits: Splits) -> list[tuple[str, int | None]]:
    return [(name, getattr(splits, name)) for name in ("train", "validation", "test")]
