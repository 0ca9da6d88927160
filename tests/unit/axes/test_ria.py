"""RIA against a naive loop, and a base pruned by it that really trains."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from deft_sweeps.axes.pruning import Calibration, prune_
from deft_sweeps.axes.pruning.ria_scores import RiaPruner, ria_scores
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes.pruning import Ria
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.tiny import batch, layout_of, tiny_t5


@pytest.mark.parametrize("power", [0.5, 0.0, 1.0])
def test_scores_equal_a_naive_loop(power: float) -> None:
    weight, norms = torch.randn(5, 8), torch.rand(8)
    rows = [[abs(w) for w in row] for row in weight.tolist()]
    columns = list(zip(*rows, strict=True))
    expected = [
        [(w / sum(row) + w / sum(columns[j])) * float(norms[j]) ** power for j, w in enumerate(row)]
        for row in rows
    ]
    torch.testing.assert_close(ria_scores(weight, norms, power), torch.tensor(expected))


def test_half_of_the_layer_goes_by_score_and_half_of_each_group_by_pattern() -> None:
    weight, squares = torch.randn(6, 16), torch.rand(16)
    scores = ria_scores(weight, squares.sqrt())
    pruned = RiaPruner(Ria()).pruned(weight, squares)
    smallest = scores.flatten().sort().indices[:48]
    assert set(torch.nonzero(pruned.flatten() == 0).flatten().tolist()) == set(smallest.tolist())
    grouped = RiaPruner(Ria(pattern="2:4")).pruned(weight, squares)
    assert (grouped.reshape(-1, 4) == 0).sum(1).tolist() == [2] * 24


def test_a_row_of_zeros_scores_zero() -> None:
    weight = torch.randn(3, 4)
    weight[1] = 0
    assert ria_scores(weight, torch.ones(4))[1].tolist() == [0.0] * 4


def test_magnitudes_of_one_large_row_do_not_cost_the_others_everything() -> None:
    weight = torch.rand(4, 16) + 0.1
    weight[0] *= 1000
    mask = RiaPruner(Ria(sparsity=0.6)).pruned(weight, torch.ones(16)) != 0
    assert mask.any(1).all()


def test_the_base_is_calibrated_and_padding_does_not_count() -> None:
    inputs = batch()
    masks = Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())

    def pruned(ids: torch.Tensor) -> torch.Tensor:
        model: Any = tiny_t5()
        run = Calibration(lambda: model(**{**inputs, "input_ids": ids}, use_cache=False), masks)
        shares = prune_(model, layout_of(model), Ria(), run)
        assert all(share == pytest.approx(0.5, abs=0.01) for share in shares.values())
        weight: torch.Tensor = model.get_submodule("encoder.block.1.layer.0.SelfAttention.q").weight
        return weight.detach().clone()

    plain = pruned(inputs["input_ids"])
    padded = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], 7)
    assert torch.equal(plain, pruned(padded))
    assert not torch.equal(plain, pruned(inputs["input_ids"].flip(1) * inputs["attention_mask"]))


def test_a_trial_on_a_base_pruned_by_it_trains(tiny_config: TrialConfig) -> None:
    assert isinstance(tiny_config.task, FileTask)
    training = replace(
        tiny_config.training, steps=6, batch_size=12, learning_rate=2e-2, warmup_share=0.0
    )
    task = replace(tiny_config.task, splits=replace(tiny_config.task.splits, train=12))
    config = replace(tiny_config, training=training, task=task, pruning=Ria(n_calibration=8))
    run: Any = TorchTrialStarterFactory(Evaluation(batch_size=20, latency_repeats=1))()(config, 0)
    losses = [step.task_loss for step in run.advance(6).steps]
    assert losses[-1] < losses[0]
    result = run.finish()
    assert result.cost.weight_sparsity == pytest.approx(0.5, abs=0.01)
