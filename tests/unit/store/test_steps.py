from pathlib import Path

from deft_sweeps.result import StepMetrics
from deft_sweeps.store.sweep_dir import SweepDir


def step(n: int, loss: float) -> StepMetrics:
    return StepMetrics(step=n, task_loss=loss, density_loss=0.0, grad_norm=1.0, learning_rate=1e-3)


def test_steps_told_again_after_a_restart_replace_the_first(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    assert sweep.steps("a-s0") == ()
    sweep.add_steps("a-s0", [step(1, 0.5), step(2, 0.4), step(3, 0.3)])
    sweep.add_steps("a-s0", [step(3, 0.31), step(4, 0.2)])
    assert sweep.steps("a-s0") == (step(1, 0.5), step(2, 0.4), step(3, 0.31), step(4, 0.2))
    assert sweep.steps("b-s0") == ()


def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.add_steps("a-s0", [step(1, 0.5), step(2, 0.4)])
    path = sweep.steps_path("a-s0")
    path.write_text(path.read_text()[:-9])
    assert sweep.steps("a-s0") == (step(1, 0.5),)
