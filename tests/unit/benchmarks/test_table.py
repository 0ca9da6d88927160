import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.make_table import grid
from benchmarks.search.measure import truths_of
from benchmarks.search.problem import objective_values
from benchmarks.search.table import TABLES, Table, complete_part, configurations, load, read, table
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.specification.spec_reader import load_spec

NAME = "flan_t5_small_reviews"
STEPS = (7, 20, 60)
SPEC = load_spec(TABLES / f"{NAME}.yaml")
GRID = grid(SPEC)
HALF = GRID[: len(GRID) // 2]


def made(config: TrialConfig, seed: int) -> dict[str, Any]:
    """As make_table writes it, with numbers drawn at random."""
    rng = np.random.default_rng([seed, int(config.config_id, 16)])
    rungs = []
    for step in STEPS:
        names = ("score", "loss", "encoder_density", "decoder_density")
        points = [
            {"threshold": t, "standard_error": 0.02}
            | {n: round(float(rng.uniform(0.2, 0.8)), 6) for n in names}
            for t in SPEC.evaluation.thresholds[1:]
        ]
        rungs.append(
            {
                "step": step,
                "train_sec": step * (2.0 if config.quantization.kind == "nf4" else 1.0),
                "points": points,
            }
        )
    config_json = codec(TrialConfig).dump_python(config, mode="json")
    return {
        "trial_id": config.trial_id(seed),
        "config": config_json,
        "seed": seed,
        "rungs": rungs,
        "n_examples": 300,
    }


def write_trainings(folder: Path, trained: list[tuple[TrialConfig, int]]) -> Path:
    folder.mkdir()
    for config, seed in trained:
        (folder / f"{config.trial_id(seed)}.json").write_text(json.dumps(made(config, seed)))
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The first half of the grid, five of it with two more seeds, and a start on the rest."""
    trained = [(config, 0) for config in (*HALF, *GRID[len(HALF) : len(HALF) + 3])]
    trained += [(config, seed) for config in HALF[:5] for seed in (1, 2)]
    return load(NAME, write_trainings(tmp_path_factory.mktemp("table") / "half", trained))


def values_of(training: dict[str, Any], rung: int) -> list[list[float]]:
    return [
        [p["score"], (p["encoder_density"] + p["decoder_density"]) / 2]
        for p in training["rungs"][rung]["points"]
    ]


def test_of_a_part_the_largest_whole_space_is_searched(half: Table) -> None:
    ids = {config.config_id for config in half.configs}
    assert (
        {config.config_id for config in HALF}
        <= ids
        <= {config.config_id for config in GRID[: len(HALF) + 3]}
    )
    assert half.rungs == STEPS
    assert half.note.startswith(f"{len(ids)} of 160 configurations, measured; 5 with several seeds")


def test_a_combination_that_lacks_some_stands_at_one_value_of_a_choice() -> None:
    trained = [
        config
        for config in GRID
        if config.quantization.kind == "none" or config.training.learning_rate == 2e-3
    ]
    part = complete_part(SPEC, frozenset(config.config_id for config in trained))
    assert sorted(
        config.config_id for c in part.combinations for config in configurations(c)
    ) == sorted(c.config_id for c in trained)
    fixed = next(c for c in part.combinations if "nf4" in c.label)
    assert "training.learning_rate" not in fixed.open
    assert (
        part.locate(next(config for config in trained if config.quantization.kind == "nf4"))
        is not None
    )


def test_a_trained_seed_is_replayed_as_it_was(half: Table) -> None:
    objectives = SPEC.objectives
    for config, seed in ((HALF[0], 0), (HALF[0], 2), (HALF[40], 0)):
        for rung, step in enumerate(STEPS):
            values = objective_values(objectives, half.curve(config, seed, step))
            assert values == pytest.approx(np.array(values_of(made(config, seed), rung)))
        assert half.curve(config, seed, 60)[2].threshold == 0.5
        assert half.curve(config, seed, 60)[2].score.n_examples == 300


def test_truth_pulls_lucky_seeds_in_and_the_space_holds_its_front(half: Table) -> None:
    def best(values: list[float]) -> float:
        return max(values) - float(np.mean(values))

    measured = [values_of(made(config, 0), 2)[0][0] for config in HALF[5:]]
    predicted = [float(half.true_points(config)[0, 0]) for config in HALF[5:]]
    assert best(predicted) < 0.5 * best(measured)  # Numbers that settings have no part in.
    everything = np.concatenate([half.true_points(config) for config in HALF])
    for one in truths_of(half):
        assert one.share(everything) == pytest.approx(1.0)


def test_where_no_seed_was_repeated_truth_is_what_was_measured(tmp_path: Path) -> None:
    once = load(NAME, write_trainings(tmp_path / "once", [(config, 0) for config in HALF]))
    for config in HALF[::20]:
        assert once.true_points(config) == pytest.approx(np.array(values_of(made(config, 0), 2)))
    assert once.note.endswith("true mean: what was measured")


def test_where_seeds_agree_truth_is_their_mean(tmp_path: Path) -> None:
    folder = write_trainings(tmp_path / "same", [(config, 0) for config in HALF])
    for config in HALF[:3]:
        (folder / f"{config.trial_id(1)}.json").write_text(
            json.dumps(made(config, 0) | {"seed": 1})
        )
    same = load(NAME, folder)
    for config in HALF[::20]:
        assert same.true_points(config) == pytest.approx(np.array(values_of(made(config, 0), 2)))
    assert "mixed model" in same.note


def test_another_seed_is_the_true_mean_with_the_noise_of_one_repeated_training(half: Table) -> None:
    config = HALF[30]
    mean = half.means[config.config_id][:, :, 0]
    assert mean[-1] == pytest.approx(half.true_points(config)[:, 0])
    repeated = []
    for other in HALF[:5]:
        curves = np.array(
            [
                [[p["score"] for p in rung["points"]] for rung in made(other, seed)["rungs"]]
                for seed in range(3)
            ]
        )
        repeated += [(curve - curves.mean(axis=0)) * np.sqrt(3 / 2) for curve in curves]
    seen = set()
    for seed in range(1, 9):
        scores = np.array(
            [[p.score.value for p in half.curve(config, seed, step)] for step in STEPS]
        )
        fits = [
            i
            for i, noise in enumerate(repeated)
            if np.allclose(scores, np.clip(mean + noise, 0.0, 1.0), atol=1e-6)
        ]
        assert len(fits) == 1
        seen.update(fits)
    assert len(seen) > 1


def test_a_slow_configuration_takes_longer_steps(half: Table) -> None:
    slow = next(config for config in HALF if config.quantization.kind == "nf4")
    fast = next(config for config in HALF if config.quantization.kind == "none")
    assert half.step_sec(slow) == pytest.approx(2 * half.step_sec(fast))
    assert np.mean([half.step_sec(config) for config in half.configs]) == pytest.approx(1.0)


def test_a_packed_table_is_read_like_its_folder(tmp_path: Path) -> None:
    folder = write_trainings(tmp_path / "some", [(config, 0) for config in HALF[:6]])
    packed = tmp_path / "some.jsonl.gz"
    packed.write_bytes(
        gzip.compress(
            "".join(path.read_text() + "\n" for path in sorted(folder.glob("*.json"))).encode()
        )
    )
    assert read(packed) == read(folder)


def test_too_little_and_different_ladders_are_refused(tmp_path: Path) -> None:
    rows = read(write_trainings(tmp_path / "one", [(HALF[0], 0)]))
    with pytest.raises(ValueError, match="too little is trained"):
        table(NAME, SPEC, rows)
    with pytest.raises(ValueError, match="expected a closed form or one of"):
        load("nothing", tmp_path)
