"""The members of every axis with the settings that they are tested with."""

from typing import Any, get_args

from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    DensityLoss,
    Lora,
    Nf4,
    Oft,
    PromptTuning,
    PTuning,
    Role,
    SparseGpt,
    Vera,
    Wanda,
)

SOME: tuple[Role, ...] = ("q", "v", "gate", "down")

SETTINGS: dict[type[Any], list[dict[str, Any]]] = {
    Lora: [
        {"r": 4, "targets": SOME, **switch}
        for switch in ({}, {"rslora": True}, {"dora": True}, {"masked": True})
    ],
    AdaLora: [{"r": 2, "extra": 2, "targets": SOME}],
    Vera: [{"r": 64, "targets": SOME}],
    Oft: [{"block": 8, "targets": SOME}],
    Adapter: [
        {"placement": "pfeiffer"},
        {"placement": "houlsby"},
        {"placement": "parallel", "scale": 4.0},
    ],
    DensityLoss: [{"eps": 1e-2}],
    Nf4: [{}, {"double": True}],
    Wanda: [{"n_calibration": 8}],
    SparseGpt: [{"n_calibration": 8}],
}
"""Where a member's own defaults do not fit a model of 32 hidden units or a few steps, and where one
member stands for several methods."""


STEPS: dict[type[Any], int] = {PromptTuning: 15, PTuning: 15}
"""Steps; 5 for every other method. A few virtual tokens move the loss of a random model little
beside bfloat16's rounding."""


def members(union: Any) -> list[Any]:
    return [
        member(**settings) if isinstance(member, type) else member
        for member in get_args(union)
        for settings in (SETTINGS.get(member, [{}]) if isinstance(member, type) else [{}])
    ]


def name_of(combination: dict[str, Any]) -> str:
    """`relu-lora dora-loss-nf4-wanda-bf16`."""

    def word(member: Any) -> str:
        kind = getattr(member, "kind", member)
        settings = [
            name for name in ("rslora", "dora", "masked", "double") if getattr(member, name, False)
        ]
        return " ".join([kind, *settings, getattr(member, "placement", "")]).strip()

    return "-".join(word(member) for member in combination.values())
