"""validate and plan: what is done with a spec before anything runs. Loads neither torch nor ray."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import refuse, say, say_next
from deft_sweeps.cli.plan_json import plan_dict
from deft_sweeps.cli.plan_measured import measured_notes
from deft_sweeps.cli.plan_nodes import nodes_dict, nodes_lines, nodes_table
from deft_sweeps.cli.spec_inspection import inspect, values_text
from deft_sweeps.cli.spec_paths import (
    path_notes,
    unusable_warm_start,
)
from deft_sweeps.config.data import task_name
from deft_sweeps.errors import ConfigError
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.cluster_projection import project_on
from deft_sweeps.projection.memory_fit import machine_memory
from deft_sweeps.projection.node_kind import parse_nodes
from deft_sweeps.projection.sweep_projection import (
    TIME_RANGE,
    SweepProjection,
    gpus_that_hold,
    project,
)
from deft_sweeps.report import data_tables
from deft_sweeps.report.power_table import certification_told, power_table
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.specification.compute_dtype import slow_dtype
from deft_sweeps.specification.domain import Domain
from deft_sweeps.specification.domain import show as words
from deft_sweeps.specification.proxy_note import proxy_note
from deft_sweeps.specification.sampler_choice import choose_sampler
from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_schema import json_schema
from deft_sweeps.statistics.plateau import WINDOW
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.tasks.data_look import look
from deft_sweeps.tasks.location import located_checkpoint
from deft_sweeps.tasks.split import Examples
from deft_sweeps.units import duration, size


def print_schema() -> None:
    """Print the JSON schema of a spec."""
    show.as_json(json_schema())


def validate(files: Sequence[Path]) -> None:
    """Print every problem of the specs, or that there is none."""
    if not files:
        refuse(["expected FILE..., or --schema"])
    problems: list[object] = []
    for file in files:
        try:
            parts = load_parts(file, spec_folder(file))
        except ConfigError as error:
            problems += error.problems
            continue
        for part in parts:
            spec = part.spec
            # What another sweep of the file will have made is not there yet.
            own = {other.spec.name for other in parts}
            folders = (folder for folder in spec.search.warm_start if Path(folder).name not in own)
            named = f"{file}, {spec.name}" if len(parts) > 1 else str(file)
            inspection = inspect(spec, part.where, part.document)
            unusable_settings = inspection.problems + unusable_warm_start(
                folders, spec, f"{part.where}: search.warm_start"
            )
            problems += unusable_settings
            notes = [f"note: {named}: {note}" for note in inspection.notes]
            if not unusable_settings:
                summary = f"{len(spec.combinations)} combinations, {spec.budget.trials} trials"
                show.text(
                    f"{named}: valid, {summary}"
                    + (f", {len(spec.excluded)} combinations excluded" if spec.excluded else "")
                )
                others = (idle_flatness(spec), proxy_note(spec), *path_notes(spec))
                notes += [f"note: {named}: {note}" for note in others if note]
            say(*notes)
    if problems:
        refuse(problems)


def idle_flatness(spec: SweepSpec) -> str:
    """What is to be said of an `until_flat` that can never act on a new sweep; empty where there is
    nothing.
    """
    needed, trials = spec.search.startup + WINDOW, spec.budget.trials
    if spec.budget.until_flat is None or trials > needed:
        return ""
    return (
        f"until_flat ends no search of {trials} trials: it looks after {needed} (startup"
        f" {spec.search.startup} + {WINDOW})"
    )


def plan(file: Path, *, nodes: str | None = None, as_json: bool) -> None:
    """Print what would run, also on described machines; starts nothing."""
    kinds = None if nodes is None else parse_nodes(nodes)
    lines, notes, n_problems = [], [], 0
    for number, part in enumerate(load_parts(file, spec_folder(file))):
        spec = part.spec
        memory = machine_memory()
        model = located_checkpoint(spec.combinations[0].template, spec.folder)
        shape = layout(read_config(model))
        inspection = inspect(spec, part.where, part.document)
        projection = project(spec, shape, n_bytes=None if memory is None else memory.available)
        splits = inspection.examination.splits
        on_nodes = None if kinds is None else project_on(spec, projection, kinds, shape)
        if as_json:
            planned = plan_dict(spec, projection, list(_besides(spec)), splits)
            if on_nodes is not None:
                planned["nodes"] = nodes_dict(on_nodes)
            lines.append(planned)
        else:
            if number:
                show.text("")
            _print_plan(spec, projection, splits)
            if on_nodes is not None:
                show.table(nodes_table(on_nodes))
                show.text(*nodes_lines(on_nodes, spec.budget.trials))
            if splits is not None:
                task = spec.combinations[0].template.task
                show.text(data_tables.short(look(task, splits)))
        slow = slow_dtype(spec.dtype, on_gpu=spec.budget.gpu_share > 0)
        n_problems += len(inspection.problems)
        notes += [
            *inspection.problems,
            *inspection.notes,
            *measured_notes(file, spec, shape),
            *(
                note
                for note in (slow, idle_flatness(spec), proxy_note(spec), *path_notes(spec))
                if note
            ),
        ]
    if as_json:
        show.as_json(lines[0] if len(lines) == 1 else lines)
    say(*(f"note: {problem}" for problem in notes))
    if not as_json:
        say_next("validate" if n_problems else "run", file)


def _print_plan(spec: SweepSpec, projection: SweepProjection, splits: Examples | None) -> None:
    config = spec.combinations[0].template
    show.text(
        f"{spec.name}: {spec.budget.trials} trials of {config.model} on {task_name(config.task)},"
        f" {config.dtype}"
    )
    show.text(f"objectives: {', '.join(spec.objectives)}; choose: {spec.choose}")
    if spec.limits:
        show.text(f"limits: {', '.join(str(limit) for limit in spec.limits)}")
    if spec.deploy:
        show.text(f"deploy: {spec.deploy}; scores and costs of what is chosen are taken there")
    show.text(choose_sampler(spec).describe(spec.search_limits, spec.later_limits))
    show.text("")
    rows = tuple(
        Row(
            (
                c.label,
                _open(c.open),
                size(e.weight_bytes),
                f"{e.trainable_parameters:,}",
                size(e.memory_bytes),
                duration(e.time_sec),
            )
        )
        for c in spec.combinations
        for e in [projection.trials[c.label]]
    )
    columns = ("combination", "open", ">weights", ">trained", ">memory", ">time")
    note = (
        "weights, trained, memory and time of one trial: projected from the model's shape, nothing"
        " was measured"
    )
    show.table(ReportTable(f"{len(rows)} legal combinations", columns, rows, note))
    first = tuple(
        Row((str(i), start.combination, values_text(start.values)))
        for i, start in enumerate(spec.first, 1)
    )
    if first:
        show.table(ReportTable("first points", (">", "combination", "values"), first))
    if spec.excluded:
        show.table(
            ReportTable(
                "excluded",
                ("combination", "why"),
                tuple(Row((e.label, e.reason)) for e in spec.excluded),
            )
        )
    if projection.gpus:
        show.table(_gpu_table(projection))
    together = (
        f"{projection.n_parallel} at a time" if projection.n_parallel > 1 else "one at a time"
    )
    show.text(
        f"projected: {together}, {size(projection.memory_bytes)} of memory (largest:"
        f" {projection.largest}), {duration(projection.time_sec)} for {spec.budget.trials} trials;"
        f" {_time_words(on_gpu=spec.budget.gpu_share > 0)}"
    )
    for besides in _besides(spec):
        show.text(besides)
    show.text(certification_told(spec, splits))
    if (powers := power_table(spec, splits)).rows:
        show.table(powers)


def _besides(spec: SweepSpec) -> Iterator[str]:
    """What makes a search shorter or longer than its trials, in sentences."""
    if spec.budget.until_flat is not None and not idle_flatness(spec):
        yield "not in the time: the search ends sooner where the front is flat before (until_flat)"
    if isinstance(spec.stopping, Halving):
        shares = ", ".join(f"{step / 900:.0%}" for step in spec.stopping.at(900)[:-1])
        yield f"not in the time: trials that are behind end after {shares} of their steps"
    if spec.seeds > 1:
        yield (
            f"not in the time: then up to {spec.seeds - 1} more trainings of each configuration on"
            f" the front (seeds: {spec.seeds})"
        )


def _time_words(*, on_gpu: bool) -> str:
    if on_gpu:
        return "the time follows from a round figure for a GPU and was never held against one"
    low, high = TIME_RANGE
    expected = (
        f"expect {low:g} to {high:g} times as long on a quiet core (from measurements on our"
        " machine), several times on a busy one"
    )
    return f"{expected}; where texts are far shorter than max_input_tokens, less"


def _gpu_table(projection: SweepProjection) -> ReportTable:
    """Of each form of the base, the peak of its largest trial on a GPU, by phase, and the GPUs that
    hold it.
    """
    rows = []
    for base, label in projection.gpus.items():
        peak = projection.trials[label].peak
        sizes = (size(peak.build), size(peak.train), size(peak.evaluate))
        rows.append(Row((base, *sizes, _gpu_words(gpus_that_hold(peak.highest)))))
    columns = ("base", ">build", ">train", ">evaluate", "GPU needed")
    note = (
        "peak bytes on the GPU of the largest trial of each: projected, never measured on a GPU;"
        " trials that share one need it each. A base is built from float32 weights in the host's"
        f" memory ({size(projection.host_bytes)}, projected)"
    )
    return ReportTable("GPU memory", columns, tuple(rows), note)


def _gpu_words(sizes: tuple[int, ...]) -> str:
    return f"{sizes[0]} GB or more" if sizes else "none that is sold"


def _open(domains: Mapping[str, Domain]) -> str:
    return "; ".join(f"{name} {words(domain)}" for name, domain in domains.items()) or "nothing"
