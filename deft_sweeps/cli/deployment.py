"""export and bench: a front member as a bundle that others serve, and what its runtimes cost."""

import shlex
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import command_line, say, say_next
from deft_sweeps.config.trial import codec
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.runtime_table import not_certified, runtime_table
from deft_sweeps.units import size


def export(
    folder: Path,
    out: Path,
    targets: list[str],
    *,
    policy: str | None,
    trial: str | None,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Write a bundle and say what is in it."""
    from deft_sweeps.deploy.bundle_export import export_choice
    from deft_sweeps.deploy.deployment_check import deployed_targets
    from deft_sweeps.deploy.exported_choice import choose_export

    choice = choose_export(folder, policy=policy, trial=trial, threshold=threshold)
    manifest = export_choice(choice, out, targets or deployed_targets(choice.spec.deploy), say)
    if as_json:
        show.as_json(codec(Manifest).dump_python(manifest, mode="json"))
        return
    print_bundle(out, manifest)


def print_bundle(out: Path, manifest: Manifest) -> None:
    """One screen: the verdict, the artefacts, and what to type next."""
    show.text(manifest.answer.verdict)
    for line in manifest.answer.lines:
        show.text(f"- {line}")
    show.text("")
    for artifact in manifest.artifacts:
        show.text(f"{out / artifact.target}  {size(artifact.file_bytes)}")
        for difference in artifact.differences:
            show.text(f"  not as the trial: it {difference}")
    for name, reason in manifest.unavailable.items():
        show.text(f"no {name}: {reason}")
    if manifest.runtimes:
        show.text("")
        show.table(runtime_table(manifest))
    show.text("")
    code = f"import deft_sweeps; print(deft_sweeps.load({str(out)!r}).predict(['...']))"
    show.text(f"{command_line('bench', out)}    # every runtime on the test examples, side by side")
    show.text(f"{command_line('serve', out)}    # over HTTP on this machine")
    show.text(shlex.join(["python", "-c", code]))


def bench(
    folder: Path,
    runtimes: list[str],
    *,
    n_examples: int | None,
    n_threads: int | None,
    as_json: bool,
) -> None:
    """Measure a bundle's runtimes side by side."""
    from deft_sweeps.deploy.bench import bench as measure

    manifest = measure(
        folder, runtimes=runtimes, n_examples=n_examples, n_threads=n_threads, say=say
    )
    if as_json:
        show.as_json(codec(Manifest).dump_python(manifest, mode="json")["runtimes"])
        return
    show.table(runtime_table(manifest))
    for reading in manifest.runtimes:
        for reason in reading.drift.reasons:
            show.text(f"{reading.runtime} is not offered for serving: {reason}")
    for line in not_certified(manifest):
        show.text(line)
    say_next("serve", folder)
