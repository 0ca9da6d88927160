"""Tiny tasks of every kind and form with made-up examples, on tiny models."""

from pathlib import Path
from typing import Any

from datasets import Dataset

from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.tiny import save_tiny, save_tiny_encoder

NOUNS = ["plot", "cast", "music", "pace", "script", "light", "sound", "set"]
TEXTS = [
    f"{'great' if i % 2 else 'awful'} {NOUNS[i % 8]} and {'more ' * (i % 4)}{NOUNS[(i // 3) % 8]}"
    for i in range(24)
]
SPLITS = {"train": range(12), "validation": range(12, 18), "test": range(18, 24)}


class GivenTrialStarter(TorchTrialStarter):
    """Starts trials on examples that are handed to it."""

    def __init__(self, given: TaskData) -> None:
        super().__init__(
            TorchTrialStarterFactory(
                Evaluation(
                    thresholds=(0.0, 0.3), objective_threshold=0.3, batch_size=4, latency_repeats=1
                )
            )
        )
        self.given = given

    def data(self, config: TrialConfig) -> TaskData:
        return self.given


def number_of(i: int) -> float:
    return 3.0 + 0.5 * (i % 2) + 0.25 * (i % 4)


def answer_of(i: int) -> str:
    return NOUNS[i % 8]


def head_task(kind: Any, model: str) -> TaskData:
    """Class or number of a text, or the answer to a question, with the tokenizer of an encoder's
    checkpoint.
    """
    tokenizer = load_tokenizer(model)

    def columns(indices: range) -> dict[str, Any]:
        if kind == "span":
            return windows(tokenizer, indices)
        encoded = tokenizer([TEXTS[i] for i in indices])
        labels = [i % 2 if kind == "classification" else number_of(i) for i in indices]
        return {**without_mask(encoded), "label": labels, "example": list(range(len(indices)))}

    references: dict[str, Any] = {
        "classification": lambda i: i % 2,
        "regression": number_of,
        "span": lambda i: (answer_of(i),),
    }
    metrics = {
        "classification": ("accuracy", "f1"),
        "regression": ("pearson", "spearman"),
        "span": ("exact_match", "token_f1"),
    }
    return TaskData(
        kind=kind,
        form="head",
        **{split: Dataset.from_dict(columns(indices)) for split, indices in SPLITS.items()},
        references={
            split: [references[kind](i) for i in indices] for split, indices in SPLITS.items()
        },
        contexts={split: [TEXTS[i] for i in indices] for split, indices in SPLITS.items()}
        if kind == "span"
        else {},
        classes=("negative", "positive") if kind == "classification" else (),
        metrics=metrics[kind],
        fingerprint=f"{kind} head",
    )


def windows(tokenizer: Any, indices: range) -> dict[str, Any]:
    """Every context twice: all of it, and without its first word, where the answer may not be."""
    made: dict[str, Any] = {
        name: [] for name in ("input_ids", "start", "end", "begins", "ends", "example")
    }
    for example, i in enumerate(indices):
        for begin in (0, TEXTS[i].index(" ") + 1):
            encoded = tokenizer("set", TEXTS[i][begin:], return_offsets_mapping=True)
            owners = encoded.sequence_ids(0)
            begins = [
                begin + a if owner == 1 else -1
                for (a, _), owner in zip(encoded["offset_mapping"], owners, strict=True)
            ]
            ends = [
                begin + b if owner == 1 else -1
                for (_, b), owner in zip(encoded["offset_mapping"], owners, strict=True)
            ]
            at = TEXTS[i].index(answer_of(i))
            token = begins.index(at) if at in begins else 0
            for name, value in without_mask(encoded).items():
                made.setdefault(name, []).append(value)
            for name, value in (
                ("start", token),
                ("end", token),
                ("begins", begins),
                ("ends", ends),
                ("example", example),
            ):
                made[name].append(value)
    return made


def text_task(kind: Any, model: str) -> TaskData:
    """A number or an answer that is to be written, with the tokenizer of a T5's checkpoint."""
    tokenizer = load_tokenizer(model)
    targets = {"regression": lambda i: f"{number_of(i):.1f}", "span": answer_of, "text": answer_of}

    def columns(indices: range) -> dict[str, Any]:
        inputs = tokenizer([TEXTS[i] for i in indices])["input_ids"]
        written = tokenizer([targets[kind](i) for i in indices])["input_ids"]
        return {"input_ids": inputs, "target_ids": written, "example": list(range(len(indices)))}

    metrics = ("pearson", "spearman") if kind == "regression" else ("exact_match", "token_f1")
    return TaskData(
        kind=kind,
        form="text-to-text",
        **{split: Dataset.from_dict(columns(indices)) for split, indices in SPLITS.items()},
        references={
            split: [number_of(i) if kind == "regression" else (answer_of(i),) for i in indices]
            for split, indices in SPLITS.items()
        },
        metrics=metrics,
        fingerprint=f"{kind} text",
    )


def encoder_config(folder: Path, family: str) -> TrialConfig:
    save_tiny_encoder(folder / family, family, [*TEXTS, "set"])
    return TrialConfig(model=str(folder / family), task=FileTask(path="given"), dtype="fp32")


def t5_config(folder: Path, tokenizer_of: str) -> TrialConfig:
    save_tiny(folder / "t5", tokenizer_of)
    return TrialConfig(model=str(folder / "t5"), task=FileTask(path="given"), dtype="fp32")


def without_mask(encoded: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in encoded.items()
        if name not in ("attention_mask", "offset_mapping")
    }
