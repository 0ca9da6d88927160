"""Measures the choice of a policy that was named after the sweep had finished.

The sweep's own policy was named before the selection and the test split were read; a later one was
not. So its certificate comes from simultaneous bounds alone, over finalists that were fixed before,
and its measurements on the test split stand beside the sweep's own.
"""

from collections.abc import Callable
from dataclasses import replace

from deft_sweeps.findings import Findings
from deft_sweeps.objective import Policy
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final
from deft_sweeps.sweep.certification import measure_finalists, unmeasured_finalists
from deft_sweeps.sweep.choice_measurement import measure_choice
from deft_sweeps.sweep.local_ray import ray_session
from deft_sweeps.sweep.structure_costs import measure_costs, trials_to_measure
from deft_sweeps.trial.final_job import FinalJob


def measure_policy(
    spec: SweepSpec,
    sweep: SweepDir,
    policy: Policy,
    say: Callable[[str], None],
    ray_address: str | None = None,
) -> tuple[str, ...]:
    """Measure a policy's choice on the test split, and before that what it is chosen by; nothing
    is measured twice.

    Args:
        spec: of the sweep, with its own policy.
        sweep: its folder.
        policy: to choose by.
        say: is told what happens, in a line.
        ray_address: of a Ray cluster; None starts a local Ray.

    Returns:
        A sentence for each measurement that cannot be taken.

    Raises:
        StoreError: another driver holds the folder, or a file cannot be read.
    """
    asked_for = replace(spec, choose=policy)
    with sweep.lock():
        if _is_measured(asked_for, sweep):
            say("nothing is left to measure for this policy")
            return ()
        with ray_session(spec.budget, address=ray_address):
            measure_costs(asked_for, sweep, say, ray_address)
            measure_finalists(asked_for, sweep, say, ray_address)
            jobs = _jobs(asked_for, sweep, say)
            record = sweep.final_record(spec.later_policy(policy))
            return measure_choice(spec, sweep, record, jobs, say, ray_address)


def _is_measured(spec: SweepSpec, sweep: SweepDir) -> bool:
    """Whether nothing is left to measure for the spec's policy."""
    if trials_to_measure(spec, sweep) or unmeasured_finalists(spec, sweep):
        return False
    findings = Findings.read(spec, sweep)
    jobs = final.final_jobs(findings.choice, findings.results)
    return any(final.already_measured(jobs, finals) for finals in findings.final_sets)


def _jobs(spec: SweepSpec, sweep: SweepDir, say: Callable[[str], None]) -> tuple[FinalJob, ...]:
    """The measurements that the policy's choice asks for; none if they were taken before."""
    findings = Findings.read(spec, sweep)
    jobs, member = final.final_jobs(findings.choice, findings.results), findings.choice.member
    if any(final.already_measured(jobs, finals) for finals in findings.final_sets):
        return ()
    roles = [job.role for job in jobs]
    if member is not None and member.result.config.has_density_loss and "twin" not in roles:
        say("its plain twin was not trained by this sweep, so there is none to measure")
    if roles:
        say(f"measuring on the test split, each alone: {', '.join(roles)}")
    return jobs
