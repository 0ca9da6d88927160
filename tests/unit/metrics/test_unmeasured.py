"""Metrics that no trial of a model and a task measures."""

from dataclasses import replace

from deft_sweeps.metrics import METRICS, unmeasured
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout

WRITER, ENCODER = (layout(read_config(name)) for name in ("google/flan-t5-small", "roberta-base"))


def names(problems: list[str]) -> list[str]:
    return [problem.split()[0] for problem in problems]


def test_an_encoder_has_neither_a_decoder_nor_a_text() -> None:
    problems = unmeasured(METRICS, ENCODER, writes=False)
    assert names(problems) == ["decoder_density", "written_density"]
    assert "has no decoder" in problems[0]
    assert unmeasured(["score", "activation_density"], ENCODER, writes=False) == []


def test_a_model_with_a_decoder_has_both_if_the_task_is_answered_by_text() -> None:
    assert unmeasured(METRICS, WRITER, writes=True) == []
    assert names(unmeasured(["written_density"], WRITER, writes=False)) == ["written_density"]


def test_a_decoder_is_told_by_the_blocks() -> None:
    decoder = [block for block in WRITER.blocks if block.stack == "decoder"]
    only = replace(WRITER, blocks=tuple(decoder))
    assert unmeasured(["decoder_density"], only, writes=True) == []


def test_a_metric_named_twice_is_reported_once() -> None:
    assert len(unmeasured(["decoder_density"] * 2, ENCODER, writes=False)) == 1
