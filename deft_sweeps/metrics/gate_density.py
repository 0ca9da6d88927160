"""Activation density: over both stacks, over each of them, and while the model writes."""

from deft_sweeps.metrics.metric import Measurable, Metric, unit_interval
from deft_sweeps.result import Point
from deft_sweeps.units import share


def _remark(point: Point) -> str:
    density = point.density
    remarks = (
        f"kept blocks {share(density.of_kept_blocks)}" if density.skipped else "",
        "float saturation" if point.float_saturation else "",
    )
    return "; ".join(filter(None, remarks))


def _without_decoder(of: Measurable) -> str:
    if "decoder" in of.stacks:
        return ""
    return "the model has no decoder, and activation_density is its encoder's"


def _without_writing(of: Measurable) -> str:
    if of.writes:
        return ""
    return "the model does not write its answers to this task token by token"


ACTIVATION_DENSITY = Metric(
    name="activation_density",
    title="activation density",
    meaning=("mean over MLP blocks of the share of gate entries with |O| > threshold, in [0, 1]"),
    direction="minimize",
    dimension="share",
    read=lambda point, _cost: point.density.overall,
    of_point=True,
    counts_zeros=True,
    possible=unit_interval,
    remark=_remark,
    display="table",
)
ENCODER_DENSITY = Metric(
    name="encoder_density",
    title="encoder density",
    meaning="the same over the encoder's blocks",
    direction="minimize",
    dimension="share",
    read=lambda point, _cost: point.density.encoder,
    of_point=True,
    counts_zeros=True,
    possible=unit_interval,
    part_of=ACTIVATION_DENSITY.name,
)


DECODER_DENSITY = Metric(
    name="decoder_density",
    title="decoder density",
    meaning="the same over the decoder's blocks",
    direction="minimize",
    dimension="share",
    read=lambda point, _cost: point.density.decoder,
    of_point=True,
    counts_zeros=True,
    possible=unit_interval,
    part_of=ACTIVATION_DENSITY.name,
    why_unmeasured=_without_decoder,
)


def _written(point: Point, _cost: object) -> float | None:
    return None if point.written_density is None else point.written_density.overall


WRITTEN_DENSITY = Metric(
    name="written_density",
    title="density while writing",
    meaning="activation density while the model writes its answers, of tasks where T5 generates",
    direction="minimize",
    dimension="share",
    read=_written,
    of_point=True,
    counts_zeros=True,
    possible=unit_interval,
    display="table",
    why_unmeasured=_without_writing,
)
