"""The card of a made trial, and of one whose names are hostile."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.manifest import (
    ADAPTER,
    MERGED,
    Answer,
    Artifact,
    BaseModel,
    DriftReading,
    Figure,
    Manifest,
    RuntimeReading,
)
from deft_sweeps.deploy.manifest_file import check_files, file_digests, read_manifest
from deft_sweeps.deploy.model_card import CARD_NAME, model_card, write_description
from deft_sweeps.result import SkippedBlocks
from deft_sweeps.statistics.call_time import CallTimes
from tests.unit.deploy.made_manifest import manifest_of
from tests.unit.deploy.made_trials import FIRST_TOKENS, job_of, t5_trial_config

HOSTILE = "<script>x</script> [a](http://h) | `b`\n# c \u202e"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    config = t5_trial_config(tmp_path_factory.mktemp("made"))
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    return manifest_of(
        job,
        form=MERGED,
        answer=Answer(
            verdict="SHIP: LoRA, threshold 0.3",
            policy="best activation_density where score >= 0.5",
            lines=("`score >= 0.5`: 0.1 inside it",),
            certified=True,
            alpha=0.05,
        ),
        figures=(
            Figure(
                name="score", value=0.75, label="measured", where="test split", standard_error=0.02
            ),
            Figure(name="latency_sec", value=0.02, label="measured", where="test split"),
            Figure(name="energy_ratio", value=0.9, label="projected", where="test split"),
            Figure(
                name="score", value=0.8, label="measured", where="validation", standard_error=0.03
            ),
            Figure(name="latency_sec", value=0.05, label="proxy", where="validation"),
        ),
    )


def rendered(card: str) -> str:
    _, _, body = card.split("---\n", 2)
    return str(MarkdownIt("commonmark").enable("table").render(body))


def metadata(card: str) -> Any:
    return YAML(typ="safe", pure=True).load(card.split("---\n")[1])


def test_says_what_it_is_and_what_was_measured(manifest: Manifest) -> None:
    card = model_card(manifest)
    for line in (
        "- Takes a text.",
        "- Gives one of 2 classes, with probabilities: a, b.",
        "| score | 0.750 ± 0.020 | measured | test split |",
        "| score | 0.800 ± 0.030 | measured | validation |",
        "| latency | 20 ms | measured | test split |",
        "| energy ratio | 0.900 | projected | test split |",
        "- Inputs are cut at 128 tokens.",
        "| examples | test 3, train 3 |",
        "| hf/ | transformers | 1.0 MiB | no |",
    ):
        assert line in card.splitlines()
    assert "50 ms" not in card, "a proxy stands beside no measured value"
    assert 'AutoModelForSeq2SeqLM.from_pretrained("hf")' in card
    assert metadata(card) == {
        "tags": ["deft-sweeps"],
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
    }


def test_the_certificate_in_words(manifest: Manifest) -> None:
    certified = model_card(manifest)
    assert "in about 0.05 of them at most" in certified
    assert "Limit score \\>= 0.5: 0.1 inside it" in certified
    assert "Not certified" not in certified
    bare = Answer(verdict="named by hand, not chosen by a policy")
    by_hand = model_card(replace(manifest, answer=bare))
    assert "Not certified" in by_hand
    assert "Chosen by" not in by_hand
    assert "of them at most" not in by_hand


def test_what_a_format_leaves_out(manifest: Manifest) -> None:
    others = (
        Artifact(target="ct2", file_bytes=512, differences=("computes with all entries", "rounds")),
    )
    made = replace(manifest, artifacts=others, unavailable={"hf": "no modules | of this adapter"})
    card = model_card(made)
    row = "it computes with all entries; it rounds; not covered by the certificate"
    assert f"| ct2/ | CTranslate2, float32 | 512 B | {row} |" in card
    assert "- No transformers: no modules \\| of this adapter" in card
    assert "Not with transformers alone: no modules \\| of this adapter." in card
    assert "from_pretrained" not in card
    assert "deft_sweeps.load" in card
    assert "library_name" not in metadata(card)
    uncertified = replace(made, answer=Answer(verdict="x"))
    assert "not covered" not in model_card(uncertified)


def test_thresholds_and_removed_blocks(manifest: Manifest) -> None:
    training = replace(
        manifest.training,
        percentile=0.5,
        block_thresholds=(0.1, 0.2),
        removed=SkippedBlocks(encoder=(1,)),
    )
    card = model_card(replace(manifest, training=training))
    assert "| threshold | each block's own, which zeroes a share of 0.5 |" in card
    assert "| removed MLP blocks | encoder 2 |" in card
    dense = replace(manifest.training, threshold=0.0)
    assert "Gate entries up to" not in model_card(replace(manifest, training=dense))


def test_tasks_of_each_kind(manifest: Manifest) -> None:
    def card(**parts: Any) -> str:
        return model_card(replace(manifest, task=replace(manifest.task, **parts)))

    pair = card(form="head", class_ids=(), prompt="", takes_pairs=True)
    assert "Takes a pair of texts" in pair
    assert "model.predict([('Your text', 'Your second text')])" in pair
    span = card(kind="span", classes=(), prompt="q {text} c {text_pair}", takes_pairs=True)
    assert "Takes a question and its context" in span
    assert "read in windows of 128 tokens" in span
    assert metadata(span)["pipeline_tag"] == "question-answering"
    assert "Gives a number" in card(kind="regression", classes=())
    written = card(kind="text", classes=(), max_new_tokens=9)
    assert "Answers end after 9 tokens" in written
    assert "pipeline_tag" not in metadata(written)
    many = tuple(f"c{i}" for i in range(60))
    assert "c49 and 10 more." in card(classes=many, class_ids=tuple((i, 1) for i in range(60)))


def test_the_metadata_of_a_hub_model_and_of_an_adapter(manifest: Manifest) -> None:
    config = TrialConfig(model="google/flan-t5-small", revision="main")
    made = replace(
        manifest,
        training=replace(manifest.training, config=config),
        base=BaseModel(
            name="google/flan-t5-small@main",
            revision="0" * 40,
            license="apache-2.0",
            license_source="README.md",
        ),
        artifacts=(Artifact(target="hf", form=ADAPTER, file_bytes=1),),
    )
    assert metadata(model_card(made)) == {
        "tags": ["deft-sweeps"],
        "library_name": "peft",
        "pipeline_tag": "text-classification",
        "base_model": "google/flan-t5-small",
        "license": "apache-2.0",
    }


def test_hostile_names_stay_text(manifest: Manifest) -> None:
    task = FileTask(path=HOSTILE.replace("\n", " "), template="{text}" + HOSTILE)
    config = replace(manifest.training.config, task=task)
    made = replace(
        manifest,
        name=HOSTILE,
        training=replace(manifest.training, config=config, trial_id=HOSTILE),
        base=replace(
            manifest.base,
            name=HOSTILE,
            revision=HOSTILE,
            license=HOSTILE,
            license_source=HOSTILE,
        ),
        task=replace(
            manifest.task, prompt=task.template, classes=(HOSTILE, f"{HOSTILE}2"), kind="text"
        ),
        answer=Answer(verdict=HOSTILE, policy=HOSTILE, lines=(HOSTILE,)),
        unavailable={HOSTILE: HOSTILE},
        data_note=HOSTILE,
        versions={HOSTILE: HOSTILE},
    )
    card = model_card(made)
    html = rendered(card)
    assert "\u202e" not in card
    for tag in ("<script", "<a ", "<img"):
        assert tag not in html
    assert html.count("<h1>") == 1
    assert html.count("<h2>") == 8
    clean = rendered(model_card(manifest))
    assert html.count("<table>") == clean.count("<table>")
    assert metadata(card)["license"] == HOSTILE


def test_measured_runtimes(manifest: Manifest) -> None:
    assert "Not measured yet" in model_card(manifest)
    times = CallTimes(median=0.01, p95=0.02, low_quartile=0.009, high_quartile=0.011, n_calls=20)
    reading = RuntimeReading(
        runtime="ct2",
        threshold=0.0,
        metric="accuracy",
        score=0.7,
        standard_error=0.1,
        n_examples=24,
        difference=-0.05,
        low=-0.1,
        high=0.01,
        drift=DriftReading(largest=2.0, mean=0.5, changed=0.25, reasons=("differs | by 2",)),
        file_bytes=2048,
        resident_bytes=1 << 20,
        peak_bytes=2 << 20,
        load_sec=1.0,
        one=times,
        eight=times,
        examples_per_sec=9.0,
        batch_size=8,
        n_threads=1,
        machine="a machine",
    )
    card = model_card(replace(manifest, runtimes=(reading,)))
    html = rendered(card).split("<h2>Runtimes</h2>")[1].split("<h2>")[0]
    assert html.count("<tr>") == 2
    assert "10.0 ms (20.0)" in html
    assert "ct2 is not offered for serving: differs | by 2" in html
    assert "ct2: not certified; its score differs" in html
    assert "24 test examples" in html


def test_card_and_manifest_are_written_together(manifest: Manifest, tmp_path: Path) -> None:
    written = write_description(tmp_path, manifest)
    assert (tmp_path / CARD_NAME).read_text(encoding="utf-8") == model_card(manifest)
    assert written.files == file_digests(tmp_path)
    assert read_manifest(tmp_path) == written
    check_files(tmp_path, written)
    later = write_description(tmp_path, replace(written, name="renamed"))
    check_files(tmp_path, later)
    assert later.files != written.files


def test_a_licence_is_stated_with_its_source_or_said_to_be_missing(manifest: Manifest) -> None:
    assert "license" not in metadata(model_card(manifest))
    assert "| licence | not stated in the files that were read" in model_card(manifest)
    stated = replace(manifest.base, license="mit", license_source="the package some-model==1.0")
    card = model_card(replace(manifest, base=stated))
    assert metadata(card)["license"] == "mit"
    assert "| licence | mit, as the package some-model==1.0 states |" in card.replace("\\", "")
