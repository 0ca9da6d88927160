"""Which metrics a model of some shape can never have. Loads no torch."""

from collections.abc import Iterable

from deft_sweeps.config.layout import Layout


def unmeasured(metrics: Iterable[str], layout: Layout, *, writes: bool) -> list[str]:
    """Which of the metrics that a sweep compares or limits no trial of this model and task will have, and why.

    Args:
        metrics: names of `objective.METRICS`.
        layout: of the model.
        writes: whether answers to the task are generated.
    """
    asked = dict.fromkeys(metrics)
    told = []
    if "decoder_density" in asked and not layout.has_decoder:
        told.append("decoder_density is never measured: the model has no decoder, and activation_density is its encoder's")
    if "written_density" in asked and not (layout.has_decoder and writes):
        told.append("written_density is never measured: the model does not write its answers to this task token by token")
    return told
