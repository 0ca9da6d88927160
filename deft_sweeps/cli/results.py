"""status, report and choose: from a sweep's folder alone, without torch, ray or a server."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from deft_sweeps.choice import Choice
from deft_sweeps.choice import choose as choose_from
from deft_sweeps.cli import show
from deft_sweeps.cli.guard import FAILED, say
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.front import FrontMember, front_json, membership
from deft_sweeps.front.encode import member_dict
from deft_sweeps.front.proxy import proxy_notes
from deft_sweeps.objective import Policy, parse_policy
from deft_sweeps.report.answer import finals_of, growth_told, headline, unjudged_told
from deft_sweeps.report.saving import saving
from deft_sweeps.report.tables import front_sheet, lost_sheet
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.spec.parts import load_parts
from deft_sweeps.spec.schema import SweepSpec
from deft_sweeps.store.results import DriverNote, SweepDir, write_atomically

QUIET_SEC = 30.0
"""A driver that has not moved its note for so long is taken for gone."""


def status(folder: Path, *, as_json: bool) -> None:
    sweep, spec = _open(folder)
    results, note = sweep.results(), sweep.note()
    n_of = {name: sum(result.status == name for result in results) for name in ("complete", "failed", "stopped")}
    choice, saved = _choice(sweep, spec, spec.choose), saving(results)
    state = driver_state(note)
    n_budget = note.n_budget if note else spec.budget.trials
    running = note.running if note and state in ("searching", "measuring") else ()
    left = note.left_sec if note and state == "searching" else None
    if as_json:
        told = {"name": spec.name, "state": state, "n_budget": n_budget, **{f"n_{name}": n for name, n in n_of.items()}}
        told |= {"n_steps": saved.n_steps, "n_steps_whole": saved.n_steps_whole}
        show.as_json(
            told
            | {"running": list(running), "left_sec": left, "hypervolume": choice.front.hypervolume, "n_front": len(choice.front.members)}
        )
        return
    done = ", ".join(f"{n} {name}" for name, n in n_of.items() if n or name == "complete")
    print(f"{spec.name}: {state}, {len(results)} of {n_budget} trials done ({done}), {len(running)} running")
    if saved.n_stopped:
        print(f"early stopping: {saved.share:.2f} of the training steps saved ({saved.n_steps} of {saved.n_steps_whole} run, measured)")
    if left is not None:
        print(f"projected: {show.duration(left)} left")
    if state == "cut off":
        say(f"go on with: deft-sweeps run {folder} --resume")
    show.table(front_sheet(choice.front))
    for line in proxy_notes(results, spec.limits):
        print(line)


def driver_state(note: DriverNote | None) -> str:
    """What the driver does now: its own word, or `not started`, or `cut off` where it said it was at work but has gone silent."""
    if note is None:
        return "not started"
    silent = time.time() - note.beat_at > QUIET_SEC
    return "cut off" if silent and note.state in ("searching", "measuring") else note.state


def report(folder: Path, *, front_only: bool, figure: Path | None, as_json: bool) -> None:
    sweep, spec = _open(folder)
    results = sweep.results()
    choice = choose_from(results, spec.objectives, spec.limits, spec.choose)
    sure = membership(results, choice.front, spec.limits)
    if not front_only:
        from deft_sweeps.report.html import render

        write_atomically(sweep.report_path, render(sweep, spec).encode())
        say(f"wrote {sweep.report_path}")
    if figure is not None:
        from deft_sweeps.report.figures import scatter

        write_atomically(figure, scatter(sweep.results(), choice).encode())
        say(f"wrote {figure}")
    if as_json:
        print(front_json(choice.front, choice.member, sure))
    else:
        show.table(front_sheet(choice.front, choice, sure))
        for note in proxy_notes(results, spec.limits):
            print(note)
        print(growth_told(results, spec))


def choose(folder: Path, policy: str | None, *, as_json: bool) -> None:
    sweep, spec = _open(folder)
    try:
        wanted = spec.choose if policy is None else parse_policy(policy)
    except ValueError as error:
        raise ConfigError([Problem("--policy", str(error))]) from error
    choice = _choice(sweep, spec, wanted)
    finals = sweep.finals()
    if as_json:
        verdict = headline(choice, spec.limits, finals_of(choice, finals))
        show.as_json({"verdict": verdict} | _choice_dict(choice))
    else:
        print_choice(choice, spec, finals)
    if choice.member is None:
        raise typer.Exit(FAILED)


def print_choice(choice: Choice, spec: SweepSpec, finals: Sequence[FinalMeasurement]) -> None:
    """What to ship, why, how sure that is, and why the others lost.

    Args:
        choice: to show.
        spec: of the sweep.
        finals: of any choice; those of another one are left out.
    """
    own = finals_of(choice, finals)
    print(headline(choice, spec.limits, own))
    if unjudged := unjudged_told(choice, spec.limits, own):
        print(unjudged)
    print(choice.why)
    for caveat in choice.caveats:
        print(f"- {caveat}")
    if choice.lost:
        print()
        show.table(lost_sheet(choice))


def _open(folder: Path) -> tuple[SweepDir, SweepSpec]:
    sweep = SweepDir(folder).require()
    parts = load_parts(sweep.spec_path)
    if len(parts) > 1:
        there = ", ".join(str(folder / part.spec.name) for part in parts)
        raise ConfigError([Problem(str(folder), f"holds {len(parts)} sweeps", f"name one of them: {there}")])
    return sweep, parts[0].spec


def _choice(sweep: SweepDir, spec: SweepSpec, policy: Policy) -> Choice:
    return choose_from(sweep.results(), spec.objectives, spec.limits, policy)


def _choice_dict(choice: Choice) -> dict[str, Any]:
    def told(member: FrontMember | None) -> dict[str, Any] | None:
        return None if member is None else member_dict(member)

    return {
        "policy": str(choice.policy),
        "why": choice.why,
        "caveats": list(choice.caveats),
        "chosen": told(choice.member),
        "runner_up": told(choice.runner_up),
        "baseline": told(choice.baseline),
        "nearest_miss": told(choice.nearest_miss),
        "lost": [{"name": rejected.member.name, "why": rejected.why} for rejected in choice.lost],
    }
