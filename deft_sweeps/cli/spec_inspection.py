"""What is wrong with a spec's model and data, and what its model's shape forbids. Loads neither
torch nor ray.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from deft_sweeps.cli.data_problem import data_problems, numbers_as_classes
from deft_sweeps.cli.spec_paths import (
    misplaced,
    misplaced_paths,
)
from deft_sweeps.config.compat import length_problem
from deft_sweeps.config.data import task_kind
from deft_sweeps.deploy.deployment_check import unexportable
from deft_sweeps.errors import CheckpointError, Problem
from deft_sweeps.metrics import unmeasured
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import family_of, layout
from deft_sweeps.models.model_check import check_model, check_tokenizer, checkpoint_notes
from deft_sweeps.specification.domain import Value
from deft_sweeps.specification.shape_limits import combination_problems, first_point_problems
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_document import Document
from deft_sweeps.tasks.check import Examination, examine, form_of
from deft_sweeps.tasks.location import located
from deft_sweeps.tasks.prepare import classes_of


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to say of a spec's model and data before anything runs.

    Attributes:
        problems: that keep it from running.
        notes: of how the data are read.
    """

    problems: list[Problem]
    notes: list[str]
    examination: Examination = field(default_factory=Examination)


def inspect(spec: SweepSpec, where: str, document: Document | None = None) -> Inspection:
    """What is wrong with the spec's model and data, and what the model's shape forbids; found
    without loading either.

    Args:
        spec: the sweep.
        where: its place in the file.
        document: that it was read from; None leaves all problems at `where`.
    """

    def at(*location: str) -> str:
        return where if document is None else document.at(location)

    config = located(spec.combinations[0].template, spec.folder)
    elsewhere = misplaced_paths(spec)
    problems = [misplaced(path, spec, at(*path.setting)) for path in elsewhere]
    settings = {path.setting[0] for path in elsewhere}
    if "model" in settings:
        return Inspection(problems, [])
    unfit = check_model(config.checkpoint)
    problems += [Problem(at("model"), what) for what in unfit]
    form = None
    with suppress(CheckpointError):  # which check_model has told
        shape = layout(read_config(config.checkpoint))
        form = form_of(shape.family)
        lookups = {
            problem: None
            for combination in spec.combinations
            for problem in combination_problems(combination, shape)
        }
        problems += [
            Problem(at("space", problem.parameter.partition(".")[0]), str(problem))
            for problem in lookups
        ]
        for what, start in first_point_problems(spec, shape, {problem.what for problem in lookups}):
            problems.append(
                Problem(
                    at("first"),
                    f"{what} (first point {start.combination}: {values_text(start.values)})",
                )
            )
        mend = "leave that combination out of the space, or take another runtime"
        problems += [
            Problem(at("deploy", "runtime"), what, mend) for what in unexportable(spec, shape)
        ]
        if too_long := length_problem(config, shape):
            problems.append(Problem(at("task", "max_input_tokens"), too_long))
        writes = family_of(shape).text is not None and task_kind(config.task) != "classification"
        problems += [
            Problem(where, what) for what in unmeasured(spec.compared, shape, writes=writes)
        ]
    data = Examination() if "task" in settings else examine(config.task, form)
    training = data.splits.train if data.splits else []
    texts = [text for example in training for text in (example.text, example.second) if text]
    if not unfit and form is not None:
        written = classes_of(config.task, data.splits) if data.splits and form != "head" else ()
        tried = check_tokenizer(config.checkpoint, texts, written)
        problems += [Problem(at("model"), what) for what in tried]
    for what in data.problems:
        problems += data_problems(what, config.task, at)
    notes = [] if unfit else checkpoint_notes(config.checkpoint)
    return Inspection(
        list(dict.fromkeys(problems)),
        [*notes, *data.notes, *numbers_as_classes(config.task, training)],
        data,
    )


def values_text(values: Mapping[str, Value]) -> str:
    """Open values as a message shows them."""
    return ", ".join(
        f"{name} = {v:.4g}" if isinstance(v, float) else f"{name} = {v}"
        for name, v in values.items()
    )
