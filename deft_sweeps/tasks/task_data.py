"""A task's three tokenised splits, made once and memory-mapped from the user's cache folder
afterwards.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from deft_sweeps.atomic_build import build_folder
from deft_sweeps.cache import cache_folder, sha256_file
from deft_sweeps.config.data import FileTask, Form, GlueTask, Task, TaskKind, task_kind
from deft_sweeps.config.trial import canonical
from deft_sweeps.errors import DataError
from deft_sweeps.models.checkpoints import load_tokenizer, read_config, revision
from deft_sweeps.models.families import layout
from deft_sweeps.task_metrics import OWN_METRICS, with_score
from deft_sweeps.tasks.check import check_task, examine, form_of
from deft_sweeps.tasks.data_source import hub_name, source_files
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.glue import GLUE
from deft_sweeps.tasks.hub_dataset import hub_revision
from deft_sweeps.tasks.prepare import columns, plan_of, prompt_of
from deft_sweeps.tasks.rows import ending, unusual_reading

SPLITS = ("train", "validation", "test", "selection")

# Raised when the same examples would be tokenised otherwise, so that an older cache is left alone;
# of a long context for a model that writes, and of the user's own files that hold other values than
# text, by themselves, so that the other tasks' fingerprints, which results carry, stay what they
# were.
_FORMAT = 3
_PASSAGES_FORMAT = 4
_TYPED_FORMAT = 6

_LOG = logging.getLogger(__name__)

_CHUNK = 1000
"""Examples that are tokenised and written at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """Tokenised splits.

    Columns: `input_ids`, the end token included, and `example`, the index into the split's
        references. Text-to-text also `target_ids`, what is teacher-forced, the end token included:
        of a span task, see `passages.targets`; on validation and test a window whose target would
        be nothing has the example's answer. Classification and regression also `label`, a class
        index or a number. Of the form `head` also `token_type_ids`, where the family uses them; a
        span task then has `start` and `end`, the answer's first and last token in the window (0 and
        0 where it is not in it), and on validation and test `begins` and `ends`, where in the
        context each token's text is (-1 for a token that is not the context's).

    Attributes:
        kind: what the metric compares.
        form: how the model answers.
        train, validation, test, selection: `datasets.Dataset`s; a span task has a row for each
            window. `selection` is None unless the task has that split.
        references: of each split by the index `example`: class index, number, or the texts that are
            right (none: no answer).
        contexts: of a span task of the form `head`, by split and the index `example`; empty
            otherwise.
        classes: of a classification task, their names, which are the target texts.
        class_ids: text-to-text, token ids of each class's target text, the end token included.
        metrics: names of the metrics that it is measured by, the score first.
        may_be_none: a span task's questions may have no answer.
        notes: how the examples were read, where that is not as a file's name says.
        fingerprint: hex digest of the examples, the splits and the tokenizer.
    """

    kind: TaskKind
    form: Form
    train: Any
    validation: Any
    test: Any
    references: Mapping[str, Sequence[Any]]
    contexts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    class_ids: tuple[tuple[int, ...], ...] = ()
    metrics: tuple[str, ...]
    may_be_none: bool = False
    notes: tuple[str, ...] = ()
    fingerprint: str
    selection: Any = None

    @property
    def metric(self) -> str:
        """The first of `metrics`, which trials are compared by."""
        return self.metrics[0]


def load_task(task: Task, model: str) -> TaskData:
    """The splits of `task` in the tokens of `model`.

    Raises:
        DataError: the data cannot be used; the message lists every reason.
        CheckpointError: the model has no tokenizer that can be loaded.
    """
    form = form_of(layout(read_config(model)).family)
    fingerprint = _fingerprint(task, model, form)
    folder = build_folder(
        cache_folder() / "tasks" / fingerprint, lambda into: _tokenise(task, model, form, into)
    )
    document = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    notes = tuple(document.get("notes", ()))
    for note in notes:
        _LOG.warning("note: %s", note)
    drawn = [split for split in SPLITS if (folder / f"{split}.arrow").is_file()]
    splits = {split: _mapped(folder / f"{split}.arrow") for split in drawn}
    kind = task_kind(task)
    if kind in ("classification", "regression"):
        references = {split: rows["label"] for split, rows in splits.items()}
    else:
        references = {
            split: _mapped(folder / f"{split}-answers.arrow")["answers"] for split in drawn
        }
    return TaskData(
        **splits,
        kind=kind,
        form=form,
        references=references,
        contexts={
            path.stem.removesuffix("-contexts"): _mapped(path)["context"]
            for path in sorted(folder.glob("*-contexts.arrow"))
        },
        classes=tuple(document["classes"]),
        class_ids=tuple(tuple(ids) for ids in document["class_ids"]),
        metrics=metrics_of(task),
        may_be_none=document["may_be_none"],
        notes=notes,
        fingerprint=fingerprint,
    )


def metrics_of(task: Task) -> tuple[str, ...]:
    """Names of the metrics that the task is measured by, the score first."""
    if isinstance(task, GlueTask):
        return GLUE[task.name].metrics
    metric = task.metric if isinstance(task, FileTask) else None
    return with_score(metric, OWN_METRICS[task_kind(task)])


def _fingerprint(task: Task, model: str, form: Form) -> str:
    files = source_files(task)
    if not all(path.is_file() for paths in files.values() for path in paths):
        raise DataError("\n".join(check_task(task, form)))
    settings = canonical(task)
    # The same files in another folder, or scored by another metric, are the same data.
    for name in ("path", "validation_path", "test_path", "folder", "metric"):
        settings.pop(name, None)
    source = {part: [sha256_file(path) for path in paths] for part, paths in files.items()}
    named = hub_name(task)
    lines = [
        _format(task, form),
        settings,
        source,
        hub_revision(*named) if named else "",
        prompt_of(task),
        revision(model),
    ]
    lines += [how] if (how := _unusual_readings(task)) else []
    return sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()[:16]


def _unusual_readings(task: Task) -> list[str]:
    """How the files are read that are not read as their names say: the same bytes were once read
    otherwise.
    """
    if not isinstance(task, FileTask):
        return []
    paths = [path for paths in source_files(task).values() for path in paths]
    return [how for path in paths if (how := unusual_reading(path, task.encoding))]


def _format(task: Task, form: Form) -> int:
    if isinstance(task, FileTask) and not _is_untyped(task):
        return _TYPED_FORMAT
    is_passages = task_kind(task) == "span" and form == "text-to-text"
    return _PASSAGES_FORMAT if is_passages else _FORMAT


def _is_untyped(task: FileTask) -> bool:
    """Whether the training file holds text alone, so that a label is what stands there."""
    return task.path is not None and ending(Path(task.path).expanduser()) in (".csv", ".tsv")


def _tokenise(task: Task, model: str, form: Form, into: Path) -> None:
    examination = examine(task, form)
    splits = examination.usable()
    plan = plan_of(task, form, splits, load_tokenizer(model))
    for split in SPLITS:
        examples: list[Example] = getattr(splits, split)
        if not examples:  # Of the selection, which a task may do without.
            continue
        evaluated = split != "train"
        chunks = range(0, len(examples), _CHUNK)
        _write(
            (columns(plan, examples[i : i + _CHUNK], i, evaluated=evaluated) for i in chunks),
            into / f"{split}.arrow",
        )
        if plan.kind in ("span", "text"):
            _write(
                ({"answers": [e.answers for e in examples[i : i + _CHUNK]]} for i in chunks),
                into / f"{split}-answers.arrow",
            )
        if plan.kind == "span" and form == "head" and evaluated:
            _write(
                ({"context": [e.second for e in examples[i : i + _CHUNK]]} for i in chunks),
                into / f"{split}-contexts.arrow",
            )
    document = {
        "classes": plan.classes,
        "class_ids": plan.class_ids,
        "may_be_none": plan.may_be_none,
        "notes": list(examination.notes),
    }
    (into / "task.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _write(chunks: Iterable[Mapping[str, Sequence[Any]]], path: Path) -> None:
    """A file that `datasets` maps into memory, written chunk by chunk."""
    import pyarrow as pa

    kinds = {
        "label": pa.float64(),
        "token_type_ids": pa.list_(pa.int8()),
        **dict.fromkeys(("input_ids", "target_ids", "begins", "ends"), pa.list_(pa.int32())),
        **dict.fromkeys(("example", "start", "end"), pa.int32()),
        "answers": pa.list_(pa.string()),
        "context": pa.string(),
    }
    writer = None
    try:
        for chunk in chunks:
            whole = "label" in chunk and isinstance(chunk["label"][0], int)
            of = {name: pa.int32() if name == "label" and whole else kinds[name] for name in chunk}
            table = pa.table({name: pa.array(values, of[name]) for name, values in chunk.items()})
            writer = writer or pa.ipc.new_stream(str(path), table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _mapped(path: Path) -> Any:
    from datasets import Dataset

    return Dataset.from_file(str(path))
