"""data: a look at the examples of a spec before anything is trained."""

from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import refuse, say_next
from deft_sweeps.config.data import task_name
from deft_sweeps.config.trial import codec
from deft_sweeps.errors import Problem
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.token_counter import token_counter
from deft_sweeps.report import data_tables
from deft_sweeps.result.data_profile import DataProfile
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.data_record import DataRecord
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.tasks.check import Examination, examine, form_of
from deft_sweeps.tasks.data_look import look
from deft_sweeps.tasks.location import located


def data(file: Path, *, as_json: bool) -> None:
    """Print a look at the data of each sweep of a file."""
    documents = []
    for part in load_parts(file, spec_folder(file)):
        examination = examined(part.spec)
        if examination.splits is None:
            at = part.where if part.document is None else part.document.at(("task",))
            refuse([Problem(at, what) for what in examination.problems])
        profile = profile_of(part.spec, examination)
        if as_json:
            documents.append({"name": part.spec.name, **codec(DataProfile).dump_python(profile)})
        else:
            _print(part.spec, profile)
    if as_json:
        show.as_json(documents[0] if len(documents) == 1 else documents)
    else:
        say_next("plan", file)


def examined(spec: SweepSpec) -> Examination:
    """The data of a spec, read as training reads it."""
    config = located(spec.combinations[0].template, spec.folder)
    return examine(config.task, form_of(layout(read_config(config.checkpoint)).family))


def profile_of(spec: SweepSpec, examination: Examination) -> DataProfile:
    """The profile of a spec's data, which was examined without problems."""
    config = located(spec.combinations[0].template, spec.folder)
    counter = token_counter(config.checkpoint)
    return look(config.task, examination.usable(), counter, examination.notes)


def keep_profile(spec: SweepSpec, sweep: SweepDir, examination: Examination) -> None:
    """Writes a look at the data to the sweep's folder, once, for reports that are made where the
    data is not.
    """
    record = DataRecord(sweep.root)
    if record.profile() is None:
        record.write(profile_of(spec, examination))


def _print(spec: SweepSpec, profile: DataProfile) -> None:
    task = spec.combinations[0].template.task
    show.text(f"{spec.name}: {profile.kind} on {task_name(task)}")
    for note in profile.notes:
        show.text(f"note: {note}")
    show.table(data_tables.splits_table(profile))
    if profile.kind == "classification":
        show.table(data_tables.classes_table(profile))
    if profile.label_range is not None:
        numbers = profile.label_range
        show.text(
            f"Labels from {numbers.low:g} to {numbers.high:g}, mean {numbers.mean:.4g}, standard"
            f" deviation {numbers.deviation:.4g}: always answering the mean is off by that much."
        )
    if profile.lengths is not None:
        show.text(data_tables.lengths_told(profile.lengths))
    for warning in data_tables.warnings(profile):
        show.text(f"look at this: {warning}")
