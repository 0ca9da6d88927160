"""Energy on an accelerator that skips zeros, projected from counts."""

from deft_sweeps.metrics.metric import Metric, unit_interval

ENERGY_RATIO = Metric(
    name="energy_ratio",
    title="energy ratio",
    meaning=(
        "energy of the blocks' linear layers on an accelerator that skips zeros, "
        "beside the same layers without a zero, in [0, 1]; projected from counts, never measured"
    ),
    direction="minimize",
    dimension="share",
    read=lambda point, _cost: point.energy_ratio,
    of_point=True,
    counts_zeros=True,
    possible=unit_interval,
    display="card",
    projection=(
        "of the blocks' linear layers on an accelerator that skips zeros of weights and "
        "activations, beside the same layers without a zero, at 1950 pJ a value moved and 3.7 pJ a "
        "multiply-add (the costs of arXiv 2006.03463). It is summed layer by layer, each with its "
        "own share of zeros, unlike the cited estimator"
    ),
)
