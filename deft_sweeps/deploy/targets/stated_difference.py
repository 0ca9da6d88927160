"""What exported models compute otherwise than their trial, each a clause after "it"."""

from deft_sweeps.config.trial import TrialConfig


def without_threshold(threshold: float) -> list[str]:
    """Of a format that drops no gate entries; nothing if the trial dropped none either."""
    if threshold == 0:
        return []
    return [
        f"computes with all gate entries, where the trial set those up to {threshold:g} to zero"
    ]


def in_float32(config: TrialConfig) -> list[str]:
    """Of a float32 copy of the trial's model."""
    lines = []
    if config.dtype != "fp32":
        lines.append(f"computes in float32 what the trial computed in {config.dtype}")
    if config.quantization.quantizes_inputs:
        lines.append(
            f"multiplies by the {config.quantization.label} weights in float32, where the trial"
            " also rounded each layer's input to int8"
        )
    return lines
