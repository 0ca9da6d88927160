"""AdaLoRA's cuts against the budget of its paper, and against a loop."""

from typing import Any

import pytest
import torch

from deft_sweeps.axes.peft.rank_allocation import phases
from deft_sweeps.axes.peft_method import allocation, attach, trained_parameters
from deft_sweeps.config.axes import AdaLora, Lora
from tests.tiny import batch, layout_of, tiny_t5

METHOD = AdaLora(r=2, extra=2, targets=("q", "down"), warmup_share=0.2, final_share=0.3)
N_STEPS = 10


def made(method: AdaLora = METHOD) -> tuple[Any, Any]:
    model = tiny_t5()
    torch.manual_seed(0)
    wrapped = attach(model, layout_of(model), method, n_steps=N_STEPS)
    return wrapped, allocation(wrapped, method)


def ranks_in_use(model: Any) -> list[int]:
    return [
        int((p != 0).sum()) for name, p in trained_parameters(model).items() if ".lora_E." in name
    ]


def test_ranks_fall_from_the_first_cut_to_the_budget_and_stay() -> None:
    model, ranks = made()
    optimizer = torch.optim.AdamW(trained_parameters(model).values(), lr=1e-2)
    used = []
    for step in range(1, N_STEPS + 1):
        optimizer.zero_grad()
        model(**batch(), use_cache=False).loss.backward()
        optimizer.step()
        ranks.after_step(step)
        used.append(sum(ranks_in_use(model)))
    n_layers = len(ranks_in_use(model))
    before, after = phases(METHOD, N_STEPS)
    assert (before, after) == (2, 3)
    # Budget of arXiv 2303.10512, equation 12: cubic between the two phases.
    remaining = [
        1 - max(0, step - before) / (N_STEPS - after - before) for step in range(1, N_STEPS + 1)
    ]
    assert used == [int(2 * n_layers * max(0.0, share) ** 3 + 2 * n_layers) for share in remaining]
    assert len(set(ranks_in_use(model))) > 1, "ranks moved between layers"


@torch.no_grad()
def test_penalty_is_a_loop_over_singular_vectors() -> None:
    model, ranks = made()
    distances = []
    for name, p in trained_parameters(model).items():
        if ".lora_A." in name or ".lora_B." in name:
            rows = p if ".lora_A." in name else p.T
            off = [
                (float(torch.dot(rows[i], rows[j])) - (1.0 if i == j else 0.0)) ** 2
                for i in range(len(rows))
                for j in range(len(rows))
            ]
            distances.append(sum(off) ** 0.5)
    assert float(ranks.penalty()) == pytest.approx(0.5 * sum(distances) / len(distances), rel=1e-4)


def test_the_penalty_reaches_vectors_and_no_singular_value() -> None:
    model, ranks = made()
    ranks.penalty().backward()
    reached = {
        name.split(".lora_")[1][0]
        for name, p in trained_parameters(model).items()
        if p.grad is not None
    }
    assert reached == {"A", "B"}


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_goes_on_from_a_checkpoint_as_if_nothing_had_happened(cut: int) -> None:
    def train(model: Any, ranks: Any, steps: range) -> None:
        for step in steps:
            model.zero_grad()
            model(**batch(seed=step), use_cache=False).loss.backward()
            torch.optim.SGD(trained_parameters(model).values(), lr=0.1).step()
            ranks.after_step(step)

    straight, ranks = made()
    train(straight, ranks, range(1, N_STEPS + 1))
    first, ranks = made()
    train(first, ranks, range(1, cut + 1))
    ranks_left, state = (
        {name: p.detach().clone() for name, p in trained_parameters(first).items()},
        ranks.state(),
    )
    second, ranks = made()
    with torch.no_grad():
        for name, parameter in trained_parameters(second).items():
            parameter.copy_(ranks_left[name])
    ranks.load(state)
    train(second, ranks, range(cut + 1, N_STEPS + 1))
    for name, parameter in trained_parameters(straight).items():
        assert torch.equal(parameter, trained_parameters(second)[name]), name


def test_other_methods_have_nothing_to_allocate() -> None:
    model = tiny_t5()
    assert allocation(attach(model, layout_of(model), Lora()), Lora()) is None
