"""The baselines that a limit may name."""

from typing import Literal

BaselineName = Literal["peft", "plain", "dense", "unquantized"]

BASELINES: dict[BaselineName, str] = {
    "peft": (
        "the best-scoring plain PEFT trial: no density loss, the checkpoint's activation, unpruned,"
        " unquantized, no threshold"
    ),
    "plain": (
        "the best-scoring trial without a density loss and without skipped blocks, of any"
        " activation, quantization and pruning, no threshold"
    ),
    "dense": (
        "the best-scoring trial without pruning and without skipped blocks, whatever else it has,"
        " no threshold"
    ),
    "unquantized": (
        "the best-scoring trial without quantization, whatever else it has, no threshold"
    ),
}
"""A limit compares a point with the same metric of the baseline's unthresholded point; best among
the trials that are complete so far. `TrialConfig.is_baseline` says which configurations count."""
