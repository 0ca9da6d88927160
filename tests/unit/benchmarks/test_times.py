"""The planner's time beside real trainings."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.times import ratio, trainings
from deft_sweeps.config.trial import Evaluation, TrialConfig, codec
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import FLOPS_PER_CORE, TIME_RANGE
from deft_sweeps.projection.trial_estimate import estimate

CONFIG = TrialConfig()


def row(*rungs: tuple[int, float], trial_id: str = "a-s0") -> dict[str, Any]:
    rung_rows = [{"step": step, "train_sec": sec} for step, sec in rungs]
    config = codec(TrialConfig).dump_python(CONFIG, mode="json")
    return {
        "trial_id": trial_id,
        "config": config,
        "rungs": rung_rows,
        "provenance": {"n_threads": 1},
    }


def test_a_training_as_long_as_projected_has_the_ratio_1() -> None:
    steps, sec = (
        CONFIG.training.steps,
        estimate(
            CONFIG, layout(read_config(CONFIG.model)), Evaluation(), FLOPS_PER_CORE[CONFIG.dtype]
        ).train_sec,
    )
    through = ratio(row((steps // 4, sec / 4), (steps, sec)))
    assert (through.whole, through.stretch) == pytest.approx((1.0, 1.0))
    # Held up in its first quarter, as long as all of it should take.
    held_up = ratio(row((steps // 4, sec), (steps, sec * 1.75)))
    assert (held_up.whole, held_up.stretch) == pytest.approx((1.75, 1.0))


def test_a_training_counts_once(tmp_path: Path) -> None:
    packed = list(trainings())
    for number, one in enumerate((packed[0], row((1, 1.0)))):
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    assert [one["trial_id"] for one in trainings([tmp_path])] == [
        one["trial_id"] for one in packed
    ] + ["a-s0"]


def test_what_plan_says_holds_for_the_tables() -> None:
    """Judged by each kind's quickest stretch, since other load on the machine only adds to it.

    SST-2's phrases have a dozen words while the task allows 128 tokens, so they take a fraction of
    the projected time.
    """
    quickest: dict[str, list[float]] = defaultdict(list)
    for row in trainings():
        one = ratio(row)
        quickest[f"{row['config']['task']['kind']} {one.kind}"].append(one.stretch)
    least = {kind: min(ratios) for kind, ratios in quickest.items() if len(ratios) >= 5}
    assert {kind.split()[0] for kind in least} == {"packaged", "glue"}
    assert all(value <= TIME_RANGE[1] for value in least.values())
    assert all(
        value >= 0.8 * TIME_RANGE[0] for kind, value in least.items() if kind.startswith("packaged")
    )
