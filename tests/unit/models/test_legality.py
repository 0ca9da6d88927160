from dataclasses import replace

import pytest

from deft_sweeps.config.axes import AdaDeft, Adapter, Lora
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits

GATED = layout(read_config("google/flan-t5-small"))
UNGATED = layout(read_config("t5-small"))


@pytest.mark.parametrize("peft", [Lora(targets=("q", "k", "v", "o", "gate", "up", "down")), Lora(r=64), Adapter(reduction=512)])
def test_fits(peft: Lora | Adapter) -> None:
    assert misfits(TrialConfig(peft=peft), GATED) == []


def test_an_ungated_mlp_has_no_up() -> None:
    config = TrialConfig(model="t5-small", peft=Lora(targets=("q", "up")))
    assert misfits(config, UNGATED) == ["lora targets up, but t5-small has only q, k, v, o, gate, down"]


def test_one_block_always_stays() -> None:
    assert misfits(TrialConfig(adaptive=AdaDeft(skip=15)), GATED) == []
    (told,) = misfits(TrialConfig(adaptive=AdaDeft(skip=16)), GATED)
    assert "none of the 16 MLP blocks" in told


@pytest.mark.parametrize(
    ("peft", "words"), [(Lora(r=400), "r 400 is more than the width of q, v"), (Adapter(reduction=513), "513 is more")]
)
def test_too_wide(peft: Lora | Adapter, words: str) -> None:
    (told,) = misfits(replace(TrialConfig(), peft=peft), GATED)
    assert words in told
