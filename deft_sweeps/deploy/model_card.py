"""The model card of a bundle: its manifest in words, for people who decide whether to use it."""

import io
import re
from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML

from deft_sweeps.cache import sha256_file
from deft_sweeps.config.data import task_name
from deft_sweeps.config.label import label
from deft_sweeps.deploy.manifest import ADAPTER, Artifact, Figure, Manifest
from deft_sweeps.deploy.manifest_file import write_manifest
from deft_sweeps.deploy.markdown_text import bullets, code, escaped, table
from deft_sweeps.deploy.runtime_table import not_certified, runtime_table
from deft_sweeps.deploy.targets.export_targets import TARGETS
from deft_sweeps.deploy.transformers_example import sample_input, transformers_example
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.report.table_cells import skipped_text
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.units import size

CARD_NAME = "README.md"

_MAX_CLASSES = 50
"""A card names no more of them; the manifest has all."""

_PIPELINES = {"classification": "text-classification", "span": "question-answering"}
"""The hub's word for a kind of task, where it has one for models of either form."""


def write_description(folder: Path, manifest: Manifest) -> Manifest:
    """Write card and manifest of a bundle.

    Returns:
        The manifest as written, with the card's checksum.
    """
    path = folder / CARD_NAME
    write_atomically(path, model_card(manifest).encode())
    described = replace(manifest, files=manifest.files | {CARD_NAME: sha256_file(path)})
    write_manifest(folder, described)
    return described


def model_card(manifest: Manifest) -> str:
    """The card in Markdown, with the metadata that the hub reads at its front."""
    sections = {
        "": escaped(manifest.answer.verdict),
        "Intended use": _use(manifest),
        "How to load": _loading(manifest),
        "Figures": _figures(manifest),
        "Certificate": _certificate(manifest),
        "Artefacts": _artifacts(manifest),
        "Runtimes": _runtimes(manifest),
        "Limits": bullets(_limits(manifest)),
        "What it was made from": _origin(manifest),
    }
    title = f"# {escaped(manifest.name)}: {escaped(label(manifest.training.config))}"
    parts = [_metadata(manifest), title]
    for head, text in sections.items():
        parts += [f"## {head}", text] if head else [text]
    return "\n\n".join(parts) + "\n"


def _metadata(manifest: Manifest) -> str:
    base, hf = manifest.base, manifest.artifact("hf")
    fields: dict[str, object] = {"tags": ["deft-sweeps"]}
    if hf is not None:
        fields["library_name"] = "peft" if hf.form == ADAPTER else "transformers"
    if manifest.task.kind in _PIPELINES:
        fields["pipeline_tag"] = _PIPELINES[manifest.task.kind]
    if re.fullmatch("[0-9a-f]{40}", base.revision):  # A commit of the hub; other bases have a hash.
        fields["base_model"] = manifest.training.config.model
    if base.license:
        fields["license"] = base.license
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode, yaml.default_flow_style = False, False
    yaml.dump(fields, text)
    return f"---\n{text.getvalue()}---"


def _use(manifest: Manifest) -> str:
    task = manifest.task
    given = "a text"
    if task.takes_pairs:
        given = "a question and its context" if task.kind == "span" else "a pair of texts"
    match task.kind:
        case "classification":
            names = ", ".join(escaped(name) for name in task.classes[:_MAX_CLASSES])
            rest = len(task.classes) - _MAX_CLASSES
            more = f" and {rest} more" if rest > 0 else ""
            what = f"one of {len(task.classes)} classes, with probabilities: {names}{more}"
        case "regression":
            what = "a number"
        case "span":
            what = "the answer as a part of the context"
            what += ", or an empty text if there is none" if task.may_be_none else ""
        case _:
            what = "a text that it writes"
    lines = [f"Takes {given}.", f"Gives {what}."]
    if task.prompt:
        lines.append(f"The model reads the input as: {escaped(task.prompt)}")
    lines.append(
        "Use it for inputs like the examples of its data"
        f" ({escaped(task_name(manifest.training.config.task))}); on others it was not measured."
    )
    return bullets(lines)


def _loading(manifest: Manifest) -> str:
    sample = sample_input(manifest.task)
    given = repr(sample if len(sample) > 1 else sample[0])
    parts = [
        'With this package (`pip install "deft-sweeps[serve]"`), in the folder of the bundle, as'
        " the sweep measured it:",
        code(
            "python",
            f'import deft_sweeps\n\nmodel = deft_sweeps.load(".")\nprint(model.predict([{given}]))',
        ),
    ]
    example = transformers_example(manifest)
    if example:
        tools = "transformers and peft" if "PeftModel" in example else "transformers"
        parts += [f"With {tools} alone, without a threshold:", code("python", example)]
    else:
        reason = manifest.unavailable.get(
            "hf", "the base model is no folder or name that transformers opens"
        )
        parts.append(f"Not with transformers alone: {escaped(reason)}.")
    return "\n\n".join(parts)


def _figures(manifest: Manifest) -> str:
    if not manifest.figures:
        return "None were measured of this configuration at this threshold."
    shown: list[Figure] = []
    for figure in manifest.figures:
        # Every score, and of other metrics the first figure, which is the one taken most carefully.
        is_first = figure.name not in {one.name for one in shown}
        if figure.name in METRICS and (is_first or figure.name == SCORE.name):
            shown.append(figure)
    rows = [(METRICS[one.name].title, _value(one), one.label, one.where) for one in shown]
    lines = [
        table(("metric", "value", "how", "where"), rows),
        "Of the trial itself at its threshold; score ± one standard error over examples."
        " Measured: alone, or counted over the examples named. Projected: computed from shapes and"
        " counts. Proxy: taken beside other trials, not to be compared with a measured value.",
    ]
    return "\n\n".join(lines)


def _value(figure: Figure) -> str:
    metric = METRICS[figure.name]
    error = figure.standard_error
    return metric.text(figure.value) + (f" ± {metric.text(error)}" if error is not None else "")


def _certificate(manifest: Manifest) -> str:
    answer = manifest.answer
    lines = [f"Chosen by: {escaped(answer.policy)}"] if answer.policy else []
    lines += [f"Limit {escaped(line.replace('`', ''))}" for line in answer.lines]
    if not answer.certified:
        lines.append("Not certified: nothing here bounds the risk that a limit is broken in truth.")
        return bullets(lines)
    if answer.alpha is not None:
        lines.append(
            f"Certified: if such sweeps were repeated, in about {answer.alpha:.3g} of them at most"
            " would any certified configuration break a limit in truth."
        )
    lines.append(
        "The certificate belongs to these trained weights at this threshold, as"
        f" {answer.runtime or 'the trial'} computes them. It speaks of examples like those of the"
        " selection split, and not of training again."
    )
    return bullets(lines)


def _artifacts(manifest: Manifest) -> str:
    rows = [
        (f"{one.target}/", _title(one.target), size(one.file_bytes), _differing(one, manifest))
        for one in manifest.artifacts
    ]
    parts = [table(("folder", "format", "size", "differs from the trial"), rows)] if rows else []
    if manifest.unavailable:
        parts.append(
            bullets(
                [
                    f"No {escaped(_title(name))}: {escaped(reason)}"
                    for name, reason in manifest.unavailable.items()
                ]
            )
        )
    return "\n\n".join(parts) or "None besides the trained weights, which `deft_sweeps.load` opens."


def _runtimes(manifest: Manifest) -> str:
    if not manifest.runtimes:
        return "Not measured yet: `deft-sweeps bench` measures each on the test examples."
    measured = runtime_table(manifest)
    heads = [head for head, _ in measured.heads]
    parts = [table(heads, [row.cells for row in measured.rows]), escaped(measured.note)]
    drifting = [
        f"{one.runtime} is not offered for serving: {reason}"
        for one in manifest.runtimes
        for reason in one.drift.reasons
    ]
    notes = [escaped(line) for line in (*drifting, *not_certified(manifest))]
    return "\n\n".join([*parts, bullets(notes)] if notes else parts)


def _title(name: str) -> str:
    return TARGETS[name].title if name in TARGETS else name


def _differing(artifact: Artifact, manifest: Manifest) -> str:
    if not artifact.differences:
        return "no"
    answer = manifest.answer
    covered = answer.runtime == artifact.target or not answer.certified
    note = "" if covered else "; not covered by the certificate"
    return "it " + "; it ".join(artifact.differences) + note


def _limits(manifest: Manifest) -> list[str]:
    training, task = manifest.training, manifest.task
    longest = training.config.task.max_input_tokens
    if task.kind == "span":
        lines = [f"Contexts are read in windows of {longest} tokens."]
    else:
        lines = [f"Inputs are cut at {longest} tokens."]
    if task.max_new_tokens:
        lines.append(f"Answers end after {task.max_new_tokens} tokens at the latest.")
    if training.is_thresholded:
        lines.append(
            f"Gate entries up to the threshold ({_threshold(manifest)}) are set to zero. Score and"
            " density hold with that threshold; a format without it is another predictor."
        )
    lines.append(
        "One training with one seed was measured; another seed gives other scores, and what fails"
        " for rare or unlike inputs does not show in a mean over examples."
    )
    lines.append("What the base model was pretrained on may show in its answers.")
    return lines


def _threshold(manifest: Manifest) -> str:
    training = manifest.training
    if training.percentile is not None:
        return f"each block's own, which zeroes a share of {training.percentile:g}"
    return f"{training.threshold:g}"


def _origin(manifest: Manifest) -> str:
    training, base = manifest.training, manifest.base
    config = training.config
    splits = ", ".join(f"{name} {n:,}" for name, n in sorted(manifest.splits.items()))
    rows = [
        ("base model", base.name),
        ("revision", base.revision),
        ("licence", base.license or "not stated by the base model; look it up before use"),
        ("data", f"{task_name(config.task)}; {manifest.data_note}".removesuffix("; ")),
        ("examples", splits),
        ("fingerprint of the splits", manifest.fingerprint),
        ("trial", f"{training.trial_id}, seed {training.seed}"),
        ("threshold", _threshold(manifest)),
        ("removed MLP blocks", skipped_text(training.removed)),
        ("computed in", config.dtype),
        ("versions", ", ".join(f"{name} {of}" for name, of in sorted(manifest.versions.items()))),
        ("exported", manifest.created),
    ]
    note = "Every setting, and the SHA-256 of every file, stand in `deployment.yaml`."
    return f"{table(('what', 'value'), rows)}\n\n{note}"
