"""A whole session on one sweep: search, seeds of the front, the twin that the choice is held
against, the test split, the report.
"""

from collections.abc import Callable
from dataclasses import replace

from deft_sweeps.deploy.deployment_check import require_runtime
from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_json import front_json
from deft_sweeps.findings.front_member import trial_ids_of
from deft_sweeps.projection.memory_fit import check_device, machine_memory, trials_in_memory
from deft_sweeps.report.html import render
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.study_mirror import StudyMirror
from deft_sweeps.sweep import final
from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
from deft_sweeps.sweep.cache_check import require_writable_cache
from deft_sweeps.sweep.certification import certify
from deft_sweeps.sweep.choice_measurement import measure_choice
from deft_sweeps.sweep.front_seeds import ROUNDS, missing_seeds, n_configurations
from deft_sweeps.sweep.head_watch import head_watch
from deft_sweeps.sweep.local_ray import ray_session
from deft_sweeps.sweep.progress import View
from deft_sweeps.sweep.runner import Outcome, run_sweep
from deft_sweeps.sweep.stop_signal import terminable
from deft_sweeps.sweep.structure_costs import measure_costs
from deft_sweeps.sweep.time_limit import run_within
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.protocol import TrialStarterFactory
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

PUBLISH_SEC = 60.0
"""That a tracker is waited for at the end of a session, at most."""


def run(
    spec: SweepSpec,
    sweep: SweepDir,
    *,
    view: View,
    say: Callable[[str], None],
    resume: bool = False,
    more: int = 0,
    ray_address: str | None = None,
) -> Outcome:
    """Search, then choose, measure and report; every part can be cut off and taken up again with
    `resume`.

    Args:
        spec: what to search.
        sweep: its folder.
        view: is shown the search's progress.
        say: is told, in a line, what happens after the search.
        resume: go on with a folder that has results.
        more: trials beyond the budget.
        ray_address: of a Ray cluster; None starts a local Ray.

    Raises:
        ConfigError: the cache folder cannot be written to.
        StoreError, SweepError: as `run_sweep` does.
        MissingExtraError: the runtime to deploy to is not installed.
    """
    require_runtime(spec.deploy)
    if ray_address is None:  # Before Ray takes its seconds to start.
        require_writable_cache()
        trials_in_memory(spec, machine_memory())
        if spec.budget.gpu_share:
            from deft_sweeps.trial.cost import gpu_memory_bytes  # Loads torch.

            check_device(spec, gpu_memory_bytes())
    # One lock for all of it: a second driver beside the measuring would forget what the first has
    # measured of the test split.
    with (
        sweep.lock(say),
        ray_session(spec.budget, address=ray_address) as opened,
        head_watch(sweep, opened.head, view, opened.node_socket),
        terminable(),
    ):
        spec = with_automatic_gpus(spec, opened, say)
        return _run(spec, sweep, view, say, resume=resume, more=more, ray_address=ray_address)


def _run(
    spec: SweepSpec,
    sweep: SweepDir,
    view: View,
    say: Callable[[str], None],
    *,
    resume: bool,
    more: int,
    ray_address: str | None,
) -> Outcome:
    maker: TrialStarterFactory = TorchTrialStarterFactory(
        spec.evaluation,
        n_threads=spec.budget.cpus_per_trial,
        folder=spec.folder,
        shares_bases=True,
    )
    outcome = run_sweep(
        spec,
        sweep,
        maker,
        view=view,
        resume=resume,
        more=more,
        # While the workers are up. If the certificate chooses otherwise, another twin runs later.
        follow_up=lambda: ("plain PEFT to compare with", _likely_twin(spec, sweep)),
        ray_address=ray_address,
    )
    if outcome.interrupted or outcome.n_complete == 0:
        return outcome
    messages = outcome.messages
    seeded = seed_front(spec, sweep, maker, view, say, ray_address)
    if seeded is not None:
        outcome, messages = seeded, (*messages, *seeded.messages)
    if not outcome.interrupted:
        measure_costs(spec, sweep, say, ray_address)
        certify(spec, sweep, say, ray_address)
        compared = run_twin(spec, sweep, maker, view, say, ray_address)
        if compared is not None:
            outcome, messages = compared, (*messages, *compared.messages)
    if not outcome.interrupted:
        jobs = _final_jobs(spec, sweep)
        warnings = measure_choice(spec, sweep, sweep.final_record(), jobs, say, ray_address)
        warnings = (*warnings, *publish(spec, sweep))
        for warning in warnings:
            say(f"warning: {warning}")
        messages = (*messages, *warnings)
    return replace(outcome, messages=tuple(dict.fromkeys(messages)))


def seed_front(
    spec: SweepSpec,
    sweep: SweepDir,
    maker: TrialStarterFactory,
    view: View,
    say: Callable[[str], None],
    ray_address: str | None,
) -> Outcome | None:
    """Run the front's configurations again until each has the spec's seeds, or it is no use; None
    where nothing was missing.
    """
    if spec.seeds == 1:
        return None
    outcome, messages = None, list[str]()
    extra = missing_seeds(spec, sweep.results())
    for _ in range(ROUNDS):
        if not extra:
            break
        say(
            f"seeds of the front: {len(extra)} more trials, until each of {n_configurations(extra)}"
            f" configurations has {spec.seeds}"
        )
        outcome = run_sweep(
            spec,
            sweep,
            maker,
            view=view,
            resume=True,
            extra=extra,
            phase="seeds of the front",
            ray_address=ray_address,
        )
        messages += outcome.messages
        before, extra = extra, missing_seeds(spec, sweep.results())
        # Where all of a round failed, another would too.
        if outcome.interrupted or extra == before:
            break
    if outcome is None:
        return None
    if extra and not outcome.interrupted:
        messages.append(
            f"{n_configurations(extra)} configurations that the choice rests on still have fewer"
            f" than {spec.seeds} seeds"
        )
        say(f"warning: {messages[-1]}")
    return replace(outcome, messages=tuple(dict.fromkeys(messages)))


def run_twin(
    spec: SweepSpec,
    sweep: SweepDir,
    maker: TrialStarterFactory,
    view: View,
    say: Callable[[str], None],
    ray_address: str | None,
) -> Outcome | None:
    """Run the chosen configuration's twin; None if it ran before, or if none is needed."""
    twin = _missing_twin(spec, sweep)
    if twin is None:
        return None
    say(
        "one more trial: plain PEFT with the chosen configuration's other settings, to compare with"
    )
    return run_sweep(
        spec, sweep, maker, view=view, resume=True, extra=(twin,), ray_address=ray_address
    )


# Findings with the scores of single examples take much memory: they are released before trials run.
def _missing_twin(spec: SweepSpec, sweep: SweepDir) -> Start | None:
    findings = Findings.read(spec, sweep)
    return final.missing_twin(spec, findings.choice, findings.results)


def _likely_twin(spec: SweepSpec, sweep: SweepDir) -> tuple[Start, ...]:
    """The twin of what would be chosen now; none while the front waits for further seeds."""
    if spec.seeds > 1:
        return ()
    twin = _missing_twin(spec, sweep)
    return () if twin is None else (twin,)


def _final_jobs(spec: SweepSpec, sweep: SweepDir) -> tuple[FinalJob, ...]:
    findings = Findings.read(spec, sweep)
    return final.final_jobs(findings.choice, findings.results)


def publish(spec: SweepSpec, sweep: SweepDir, *, limit_sec: float = PUBLISH_SEC) -> tuple[str, ...]:
    """Writes report.html, and gives the report, the front and the choice to the mirrors.

    Args:
        spec: of the sweep.
        sweep: its folder.
        limit_sec: that the tracker is waited for, in all.

    Returns:
        Warnings: a mirror that cannot be written does not hold up the report.
    """
    findings = Findings.read(spec, sweep)
    page = render(sweep, spec, findings).encode()
    write_atomically(sweep.report_path, page)
    front, chosen = findings.front, findings.choice.member
    files = {
        "report.html": page,
        "front.json": front_json(front, chosen, findings.membership).encode(),
    }
    on_front = trial_ids_of(front.members)
    warnings = []
    mirror = Mirror(sweep, spec.name, spec.tracking_uri)

    def attach() -> None:
        mirror.attach(files)
        mirror.close()

    try:
        run_within(limit_sec, f"MLflow at {mirror.where}", attach)
    except StoreError as error:
        warnings.append(f"the tracker has no report: {error}")
    try:
        study = StudyMirror(sweep, spec)
        study.tag(on_front, chosen.result.trial_id if chosen else None)
        study.close()
    except StoreError as error:
        warnings.append(f"the front and the choice are not marked: {error}")
    return tuple(warnings)
