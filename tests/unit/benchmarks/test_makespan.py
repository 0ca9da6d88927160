"""The yardstick beside a plain script: the pure parts, and both sides' training of one step."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.makespan.agreement import FLOAT32_TOLERANCE, agreement, spread
from benchmarks.makespan.makespan_table import like_for_like, lines, ratios
from benchmarks.makespan.phases import Seconds, phase_ends, seconds, total
from benchmarks.makespan.process_tree import MARK, CpuClock, run
from benchmarks.makespan.sides import OURS, SCRIPT, SideRun, TrainedTrial
from benchmarks.makespan.workload import Workload, script_trial
from deft_sweeps.config.axes import Adapter, DensityLoss, Lora, Nf4, Training
from deft_sweeps.config.trial import Evaluation, TrialConfig

PLAIN = TrialConfig(training=Training(warmup_share=0.0))


def test_the_configurations_are_distinct_and_begin_with_the_baseline() -> None:
    configs = Workload(n_trials=64).configs()
    assert len({config.config_id for config in configs}) == 64
    assert configs[0].is_plain_peft
    assert Workload(n_trials=8).configs() == configs[:8]
    with pytest.raises(ValueError, match="at most 64 trials, got 65"):
        Workload(n_trials=65).points()


def test_no_configuration_with_a_density_loss_has_its_twin_among_the_others() -> None:
    configs = Workload(n_trials=64).configs()
    plain = {config.peft for config in configs if not config.has_density_loss}
    dense = {config.peft for config in configs if config.has_density_loss}
    assert plain
    assert dense
    assert not plain & dense


def test_the_script_is_told_every_setting_that_a_configuration_changes() -> None:
    config = replace(
        PLAIN,
        activation="relu",
        peft=Lora(r=3, alpha=5, targets=("q", "down")),
        density=DensityLoss(weight=2.5, eps=1e-3),
        quantization=Nf4(),
    )
    settings = script_trial(config)
    assert settings["name"] == config.config_id
    assert (settings["relu"], settings["nf4"]) == (True, True)
    assert (settings["r"], settings["alpha"], settings["targets"]) == (3, 5, ["q", "wo"])
    assert (settings["density_weight"], settings["density_eps"]) == (2.5, 1e-3)
    training = config.training
    for name in ("steps", "batch_size", "learning_rate", "weight_decay", "max_grad_norm"):
        assert settings[name] == getattr(training, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"peft": Adapter()},
        {"peft": Lora(dora=True)},
        {"density": DensityLoss(encoder_weight=2.0)},
        {"density": DensityLoss(surrogate="tanh")},
        {"base_dropout": 0.1},
        {"training": Training(warmup_share=0.1)},
        {"training": Training(warmup_share=0.0, accumulation=2)},
    ],
)
def test_what_the_script_cannot_do_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the script has no"):
        script_trial(replace(PLAIN, **changes))


def test_phases_add_up_to_the_whole() -> None:
    ends = phase_ends(
        first_start=12.0, last_trial=40.0, selection=None, twin=50.0, finals=70.0, report=71.5
    )
    parts = seconds(10.0, ends, 75.0, lambda moment: 2 * moment)
    walls = {name: part.wall for name, part in parts.items()}
    assert walls == {
        "start-up": 2.0,
        "trials": 28.0,
        "certificate": 0.0,
        "twin": 10.0,
        "finals": 20.0,
        "report": 1.5,
        "end": 3.5,
    }
    assert total(parts) == Seconds(65.0, 130.0)
    assert total(parts, ("twin", "end")) == Seconds(13.5, 27.0)


def test_a_phase_that_did_not_happen_takes_no_time() -> None:
    ends = phase_ends(
        first_start=1.0, last_trial=5.0, selection=7.0, twin=None, finals=None, report=8.0
    )
    assert ends["certificate"] == ends["twin"] == ends["finals"] == 7.0
    # What lay there before the search ended is no end of a later phase.
    early = phase_ends(
        first_start=1.0, last_trial=5.0, selection=None, twin=4.0, finals=6.0, report=None
    )
    assert (early["twin"], early["finals"], early["report"]) == (5.0, 6.0, 6.0)


def trained(loss: float, score: float = 0.5, density: float = 0.25) -> TrainedTrial:
    return TrainedTrial(loss, ((0.0, score, density),))


def test_float32_losses_agree_to_a_relative_tolerance() -> None:
    script = {"a": trained(2.0), "b": trained(0.5)}
    close = {"a": trained(2.0 + 1.9e-5), "b": trained(0.5)}
    far = {"a": trained(2.0), "b": trained(0.5 + 0.6e-5, score=0.75)}
    assert agreement(close, script, None).holds
    apart = agreement(far, script, None)
    assert not apart.holds
    assert apart.tolerance == FLOAT32_TOLERANCE
    assert (apart.score, apart.density) == (0.25, 0.0)
    assert "DO NOT AGREE" in str(apart)


def test_bfloat16_losses_may_differ_as_seeds_do() -> None:
    script = {"a": trained(2.0)}
    assert agreement({"a": trained(2.01)}, script, spread([1.0, 1.02, 1.01])).holds
    assert not agreement({"a": trained(2.03)}, script, spread([1.0, 1.02, 1.01])).holds


def test_no_loss_and_other_configurations_never_agree() -> None:
    assert not agreement({"a": trained(float("nan"))}, {"a": trained(1.0)}, 0.1).holds
    with pytest.raises(ValueError, match="same configurations"):
        agreement({"a": trained(1.0)}, {"b": trained(1.0)}, None)


def side(name: str, **phases: float) -> SideRun:
    return SideRun(name, {key: Seconds(sec, 2 * sec) for key, sec in phases.items()}, {}, 0.0)


def test_twin_finals_and_report_count_end_to_end_alone() -> None:
    ours = side(OURS, **{"start-up": 5.0}, trials=20.0, twin=10.0, finals=9.0, report=1.0, end=5.0)
    script = side(SCRIPT, **{"start-up": 10.0}, trials=48.0, end=2.0)
    assert like_for_like(ours) == Seconds(30.0, 60.0)
    assert ratios([script], [ours], whole=False) == [(2.0, 2.0)]
    assert ratios([script], [ours], whole=True) == [(1.2, 1.2)]
    text = "\n".join(lines([script, ours], OURS))
    assert "| like for like | 30.0 | 60.0 |" in text
    assert "| script: like for like | **2.00** (2.00) | **2.00** (2.00) |" in text
    assert "| script: end to end | **1.20** (1.20) |" in text


def test_cpu_seconds_of_descendants_count_and_nothing_is_running_after(tmp_path: Path) -> None:
    # The child leaves the program's session, works, and would outlive it.
    child = (
        "import os, time; end = time.process_time() + 0.5\n"
        "while time.process_time() < end: pass\n"
        "open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    )
    program = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "while not os.path.exists('pid'): time.sleep(0.05)\n"
        "time.sleep(0.5)"
    )
    with (tmp_path / "log").open("w") as log:
        done = run([sys.executable, "-c", program], {}, tmp_path, log)
    assert 0.5 <= done.cpu.totals[-1] < 5.0
    assert done.cpu.at(done.began - 1) == 0.0
    assert done.cpu.at(done.ended + 1) == done.cpu.totals[-1]
    pid = int((tmp_path / "pid").read_text())
    status = Path(f"/proc/{pid}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_a_program_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, pytest.raises(RuntimeError, match="out of luck"):
        run([sys.executable, "-c", "raise SystemExit('out of luck')"], {}, tmp_path, log)


def test_cpu_seconds_between_two_readings_are_in_a_straight_line() -> None:
    clock = CpuClock("mark", [10.0, 12.0], [1.0, 5.0])
    assert clock.at(11.0) == 3.0


def test_processes_without_the_mark_do_not_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={**os.environ, MARK: "another"},
    ) as process:
        time.sleep(0.2)
        assert CpuClock("mine").read() == []
        assert CpuClock("another").read() == [process.pid]
        process.communicate(b"\n")


def test_the_script_reads_the_examples_in_this_projects_order(tmp_path: Path) -> None:
    from deft_sweeps.tasks.batches import training_order
    from deft_sweeps.tasks.task_data import load_task

    workload = Workload(n_trials=1, steps=2, n_validation=8)
    workload.write_examples(tmp_path / "examples.json")
    written = json.loads((tmp_path / "examples.json").read_bytes())
    config = workload.configs()[0]
    data = load_task(config.task, config.checkpoint)
    order = training_order(len(data.train), 0)
    assert len(written["train"]) == 2 * config.training.batch_size
    for example in written["train"]:
        row = data.train[next(order)]
        assert example == {"input_ids": row["input_ids"], "labels": row["target_ids"]}
    assert len(written["validation"]) == 8


@pytest.mark.parametrize(
    "number", [pytest.param(0, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.sweeps)]
)
def test_both_sides_lose_the_same_in_float32(number: int, tmp_path: Path) -> None:
    """Plain LoRA, and ReLU with the density loss on NF4: two steps in this process, without Ray."""
    from benchmarks.makespan.plain_trial import run_trial
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    workload = Workload(n_trials=7, steps=2, dtype="fp32", thresholds=(0.0, 0.5), n_validation=8)
    config = workload.configs()[number]
    workload.write_examples(tmp_path / "examples.json")
    settings = workload.script_settings(tmp_path, reuse_actors=False)
    outcome = run_trial(
        settings["trials"][number], settings["model"], settings["data"], lambda *_, **__: None
    )
    evaluation = Evaluation(thresholds=workload.thresholds, objective_threshold=0.5)
    trial = TorchTrialStarterFactory(evaluation, n_threads=1)()(config, 0)
    steps = trial.advance(2).steps
    weight = getattr(config.density, "weight", 0.0)
    ours = [step.task_loss + weight * step.density_loss for step in steps]
    assert outcome["losses"] == pytest.approx(ours, rel=FLOAT32_TOLERANCE)
    points = trial.finish().points
    for ours_at, theirs_at in zip(points, outcome["points"], strict=True):
        assert theirs_at["score"] == pytest.approx(ours_at.score.value)
        assert theirs_at["density"] == pytest.approx(ours_at.density.overall, abs=1e-4)
