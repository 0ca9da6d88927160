import pytest
import torch

from deft_sweeps.config.axes import Training
from deft_sweeps.trial.train import learning_rate, task_loss_sum


def test_rate_rises_over_the_warmup_and_falls_to_zero_after_the_last_step() -> None:
    training = Training(steps=10, learning_rate=1.0, warmup_share=0.2)
    rates = [learning_rate(step, training) for step in range(10)]
    assert rates[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert rates[-1] == pytest.approx(1 / 8)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_rate_without_warmup_starts_at_its_peak() -> None:
    assert learning_rate(
        0, Training(steps=5, learning_rate=0.3, warmup_share=0.0)
    ) == pytest.approx(0.3)


def test_task_loss_equals_a_loop_and_leaves_padding_out() -> None:
    logits, labels = torch.randn(2, 3, 7), torch.tensor([[1, 2, -100], [3, -100, -100]])
    expected = -sum(
        float(logits[b, t].log_softmax(-1)[labels[b, t]]) for b, t in ((0, 0), (0, 1), (1, 0))
    )
    assert float(task_loss_sum(logits, labels)) == pytest.approx(expected, rel=1e-5)
