"""status, report and choose: from a sweep's folder alone, without torch, ray or a server."""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, get_args

import typer

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import FAILED, say, say_next
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.findings import Choice, Findings, FrontMember
from deft_sweeps.findings.front_json import front_json, member_dict
from deft_sweeps.findings.limit_price import LimitPrice
from deft_sweeps.objective import Policy, parse_policy
from deft_sweeps.report import bought_text, choice_text, verdict_text
from deft_sweeps.report.front_tables import front_table, lost_table
from deft_sweeps.report.report_text import projection_told
from deft_sweeps.report.saved_steps import saved_steps
from deft_sweeps.result import Status
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.driver_note import DriverNote, under_way
from deft_sweeps.store.result_file import stray_note
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.units import duration

QUIET_SEC = 30.0
"""A driver that has not moved its note for so long is taken for gone."""

P = ParamSpec("P")


def without_collector(command: Callable[P, None]) -> Callable[P, None]:
    """Pauses the garbage collector during a command that reads results and ends.

    It makes hundreds of thousands of objects that live to its end. Python would look through them
    again and again for cycles, a fifth of the command's time, and find next to none.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        was_on = gc.isenabled()
        gc.disable()
        try:
            command(*args, **kwargs)
        finally:
            if was_on:
                gc.enable()

    return run


@without_collector
def status(folder: Path, *, as_json: bool) -> None:
    """Print how a sweep stands."""
    sweep, spec = _open(folder)
    findings, note = Findings.read(spec, sweep), sweep.note()
    n_of = Counter(result.status for result in findings.results)
    saved, state = saved_steps(findings.results), driver_state(note)
    n_budget = note.n_budget if note else spec.budget.trials
    alive = note if note and state in ("searching", "measuring") else None
    remaining = note.left_sec if note and state == "searching" else None
    if as_json:
        show.as_json(
            {
                "name": spec.name,
                "state": state,
                "n_budget": n_budget,
                **{f"n_{name}": n_of[name] for name in get_args(Status)},
                "n_steps": saved.n_steps,
                "n_steps_whole": saved.n_steps_whole,
                "running": list(alive.running if alive else ()),
                "n_waiting": alive.n_waiting if alive else 0,
                "left_sec": remaining,
                "hypervolume": findings.front.hypervolume,
                "n_front": len(findings.front.members),
                "why_front_is_empty": _why_empty(findings),
                "awaiting_costs": dict(findings.front.awaiting),
            }
        )
        return
    done = ", ".join(f"{n_of[s]} {s}" for s in get_args(Status) if n_of[s] or s == "complete")
    n_done = len(findings.results)
    running = alive.under_way if alive else under_way(0, 0)
    show.text(f"{spec.name}: {state}, {n_done} of {n_budget} trials done ({done}), {running}")
    if saved.n_stopped:
        steps = f"{saved.n_steps} of {saved.n_steps_whole} run, measured"
        show.text(f"early stopping: {saved.share:.2f} of the training steps saved ({steps})")
    if remaining is not None:
        show.text(f"projected: {duration(remaining)} left")
    show.table(front_table(findings.front))
    if reason := _why_empty(findings):
        show.text(f"The front is empty: {reason}")
    # The front is under the sweep's own limits; the policy's do not show in it.
    for line in choice_text.awaiting_notes(findings.front.awaiting, choice_text.ON_FRONT):
        show.text(line)
    goes_on = state in ("not started", "cut off", "interrupted", "cluster lost")
    say_next(*("run", folder, "--resume") if goes_on else ("report", folder))


def _why_empty(findings: Findings) -> str:
    """Why no point is on the front, a sentence or two; empty if one is, or if no trial ended."""
    if findings.front.members or not findings.results:
        return ""
    return choice_text.why_none_keeps(findings.pool, findings.limits, findings.baselines)


def driver_state(note: DriverNote | None) -> str:
    """What the driver does now: its own word, or `not started`, or `cut off` where it said it was
    at work but has gone silent.
    """
    if note is None:
        return "not started"
    silent = time.time() - note.beat_at > QUIET_SEC
    return "cut off" if silent and note.state in ("searching", "measuring") else note.state


@without_collector
def report(
    folder: Path, policy: str | None, *, front_only: bool, figure: Path | None, as_json: bool
) -> None:
    """Write the page and the figure, and print the front."""
    sweep, spec = _open(folder)
    wanted = _policy(policy, spec)
    later_policy, spec = spec.later_policy(wanted), replace(spec, choose=wanted)
    findings = Findings.read(spec, sweep)
    if not front_only:
        from deft_sweeps.report.html import render

        page = sweep.page_path(later_policy)
        write_atomically(page, render(sweep, spec, findings).encode())
        say(f"wrote {page}")
    if figure is not None:
        from deft_sweeps.report.front_figure import scatter

        write_atomically(figure, scatter(findings).encode())
        say(f"wrote {figure}")
    if as_json:
        chosen, gains = findings.choice.member, findings.equal_density_gains
        show.json_text(front_json(findings.front, chosen, findings.membership, gains))
    else:
        show.table(front_table(findings.front, findings.choice, findings.membership))
        for line in choice_text.awaiting_notes(findings.choice.awaiting, choice_text.NOT_CHOSEN):
            show.text(line)
        show.text(projection_told(findings.projection))
        of_policy = ("--policy", later_policy) if later_policy else ()
        say_next("choose", folder, *of_policy)


@without_collector
def choose(folder: Path, policy: str | None, *, as_json: bool) -> None:
    """Print which configuration a policy chooses."""
    sweep, spec = _open(folder)
    wanted = _policy(policy, spec)
    findings = Findings.read(replace(spec, choose=wanted), sweep)
    if as_json:
        document = {
            "verdict": verdict_text.headline(findings),
            "verdict_kind": findings.verdict.kind,
            "limits": list(verdict_text.limits_told(findings)),
            "certificate": verdict_text.certificate_told(findings),
            "runtime": findings.runtime or None,
            "not_judged_on_test": verdict_text.unjudged_on_test(findings),
            "bought": bought_text.bought_told(findings),
            "worse_than_baseline": bought_text.worse_told(findings),
            "limit_prices": [_price_dict(price) for price in findings.limit_prices],
        }
        show.as_json(document | _choice_dict(findings.choice))
    else:
        print_choice(findings, sweep)
    if findings.choice.member is None:
        raise typer.Exit(FAILED)
    if not findings.finals and findings.results and not as_json:
        of_policy = () if policy is None else ("--policy", str(wanted))
        say_next("choose", folder, *of_policy, "--measure")


def measure(folder: Path, policy: str | None) -> None:
    """Measure a policy's choice on the test split, with its baseline and twin."""
    sweep, spec = _open(folder)
    wanted = _policy(policy, spec)
    from deft_sweeps.sweep.later_policy import measure_policy

    for warning in measure_policy(spec, sweep, wanted, say):
        say(f"warning: {warning}")


def _policy(text: str | None, spec: SweepSpec) -> Policy:
    try:
        return spec.choose if text is None else parse_policy(text)
    except ValueError as error:
        raise ConfigError([Problem("--policy", str(error))]) from error


def print_choice(findings: Findings, sweep: SweepDir) -> None:
    """Print what to ship, why, how sure that is, and why not the others."""
    show.text(verdict_text.headline(findings))
    if findings.choice.member is not None:
        trial_id = findings.choice.member.result.trial_id
        show.text(f"trial {trial_id}, weights {sweep.weights_path(trial_id)}")
    for limit in verdict_text.limits_told(findings):
        show.text(f"- {limit}")
    sentences = (
        verdict_text.runtime_told(findings),
        verdict_text.unjudged_on_test(findings),
        verdict_text.within_chance_told(findings),
        bought_text.bought_told(findings),
        bought_text.worse_told(findings),
        verdict_text.certificate_told(findings),
        choice_text.why(findings.choice),
    )
    for sentence in filter(None, sentences):
        show.text(sentence)
    for price in bought_text.prices_told(findings):
        show.text(f"- {price}")
    for caveat in choice_text.caveats(findings.choice):
        show.text(f"- {caveat}")
    if choice_text.rejected(findings.choice):
        show.text("")
        show.table(lost_table(findings.choice))


def _open(folder: Path) -> tuple[SweepDir, SweepSpec]:
    sweep = SweepDir(folder).require()
    spec = stored_spec(sweep)
    if strays := stray_note(sweep.strays()):
        say(f"warning: {strays}")
    return sweep, spec


def _price_dict(price: LimitPrice) -> dict[str, Any]:
    return {
        "limit": str(price.limit),
        "move": price.move,
        "metric": price.metric,
        "gain": price.gain,
        "name": price.name,
        "split": price.split,
    }


def _choice_dict(choice: Choice) -> dict[str, Any]:
    def as_dict(member: FrontMember | None) -> dict[str, Any] | None:
        return None if member is None else member_dict(member)

    return {
        "policy": str(choice.policy),
        "why": choice_text.why(choice),
        "caveats": list(choice_text.caveats(choice)),
        "chosen": as_dict(choice.member),
        "runner_up": as_dict(choice.runner_up),
        "baseline": as_dict(choice.baseline),
        "nearest_miss": as_dict(choice.nearest_miss),
        "lost": [
            {"name": rejected.member.name, "why": rejected.why}
            for rejected in choice_text.rejected(choice)
        ],
    }
