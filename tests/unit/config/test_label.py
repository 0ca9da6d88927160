import pytest

from deft_sweeps.config.axes import AdaDeft, DensityLoss, Nf4
from deft_sweeps.config.label import label, settings
from deft_sweeps.config.trial import TrialConfig


@pytest.mark.parametrize(
    ("adaptive", "words"),
    [(AdaDeft(skip=4), "DEFT 1 (l0, eps 1e-07) · ADA 0.1 skip 4 · NF4"), (AdaDeft(weight=0.05), "DEFT 1 (l0, eps 1e-07) · ADA 0.05 · NF4")],
)
def test_block_gates_stand_behind_the_density_loss(adaptive: AdaDeft, words: str) -> None:
    assert words in label(TrialConfig(density=DensityLoss(), quantization=Nf4(), adaptive=adaptive))


def test_without_block_gates_the_label_is_silent_about_them() -> None:
    assert label(TrialConfig()) == "LoRA r8 on q v · plain · lr 0.001"
    assert settings(TrialConfig(adaptive=AdaDeft(skip=2)))["adaptive.skip"] == "2"
