"""What to export: the sweep's own choice, another policy's, or a trial named by hand."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deft_sweeps.deploy.manifest import Answer, Figure
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.metrics import METRICS, SCORE, measured
from deft_sweeps.objective import parse_policy, suggest
from deft_sweeps.outcomes import NO_SCORES, ExampleScores
from deft_sweeps.report import verdict_text
from deft_sweeps.result import CompleteTrial, Cost, FinalMeasurement, Point
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True, slots=True)
class ExportedChoice:
    """One trained trial at one threshold.

    Attributes:
        answer: what the sweep says of it.
        figures: that were measured or projected of it, the test split's first.
        test_scores: of each test example; empty if the point was not measured there.
    """

    sweep: SweepDir
    spec: SweepSpec
    trial: CompleteTrial
    point: Point
    answer: Answer
    figures: tuple[Figure, ...]
    test_scores: ExampleScores


def choose_export(
    folder: Path,
    *,
    policy: str | None = None,
    trial: str | None = None,
    threshold: float | None = None,
) -> ExportedChoice:
    """Find the point to export.

    Args:
        folder: of the sweep.
        policy: to choose by; None takes the sweep's own.
        trial: id of a complete trial, instead of a policy.
        threshold: one of the trial's measured ones; None takes the search's.

    Raises:
        ConfigError: no such trial or threshold, no configuration keeps the limits, or the folder
            holds several sweeps.
        StoreError: the folder cannot be read.
    """
    sweep = SweepDir(folder).require()
    spec = stored_spec(sweep)
    if policy is not None:
        try:
            spec = replace(spec, choose=parse_policy(policy))
        except ValueError as error:
            raise ConfigError([Problem("--policy", str(error))]) from None
    findings = Findings.read(spec, sweep)
    if trial is not None:
        member = _named(findings, trial, threshold, spec.evaluation.objective_threshold)
        answer = Answer(verdict="named by hand, not chosen by a policy")
    else:
        if threshold is not None:
            raise ConfigError([Problem("--threshold", "goes with --trial alone")])
        member = _chosen(findings)
        answer = _answer(findings)
    if not isinstance(member.result, CompleteTrial):
        raise ConfigError([Problem("--trial", f"{member.result.trial_id} has not come to its end")])
    test = _test_measurement(findings, member)
    return ExportedChoice(
        sweep,
        spec,
        member.result,
        member.point,
        answer,
        _figures(findings, member, test),
        NO_SCORES if test is None else test.point.example_scores,
    )


def _chosen(findings: Findings) -> FrontMember:
    member = findings.choice.member
    if member is None:
        raise ConfigError(
            [
                Problem(
                    "--policy",
                    verdict_text.headline(findings),
                    "name a weaker policy, or --trial ID --threshold T",
                )
            ]
        )
    # The training that stands for a configuration of several seeds.
    return replace(member, seeds=())


def _named(
    findings: Findings, trial: str, threshold: float | None, otherwise: float
) -> FrontMember:
    of_trial = [member for member in findings.points if member.result.trial_id == trial]
    if not of_trial:
        trial_ids = list(dict.fromkeys(member.result.trial_id for member in findings.points))
        what = f"no complete trial {trial!r}{suggest(trial, trial_ids)}"
        raise ConfigError([Problem("--trial", what, "`deft-sweeps report DIR` lists them")])
    wanted = otherwise if threshold is None else threshold
    for member in of_trial:
        if member.point.percentile is None and member.point.threshold == wanted:
            return replace(member, seeds=())
    thresholds = ", ".join(member.point.at for member in of_trial)
    what = f"{trial} was not measured at threshold {wanted:g}; it was at {thresholds}"
    raise ConfigError([Problem("--threshold", what)])


def _answer(findings: Findings) -> Answer:
    step, certificate = findings.verdict.step, findings.certificate
    return Answer(
        verdict=verdict_text.headline(findings),
        policy=str(findings.choice.policy),
        lines=verdict_text.limits_told(findings),
        certified=step is not None,
        alpha=certificate.chain.alpha if step is not None and certificate is not None else None,
        runtime=findings.runtime,
    )


def _test_measurement(findings: Findings, member: FrontMember) -> FinalMeasurement | None:
    wanted = (member.result.trial_id, member.point.at)
    finals = findings.every_final
    return next((one for one in finals if (one.trial_id, one.point.at) == wanted), None)


def _figures(
    findings: Findings, member: FrontMember, test: FinalMeasurement | None
) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    if test is not None:
        figures += _of_point(test.point, test.cost, "test split, alone in a fresh process")
    step = findings.verdict.step
    if step is not None and step.candidate.name == member.name:
        figures += _score(step.measurement.point, "selection split")
    figures += _of_point(member.point, member.result.cost, "validation split, in the sweep")
    return tuple(figures)


def _score(point: Point, where: str) -> list[Figure]:
    score = point.score
    return [
        Figure(
            name=SCORE.name,
            value=score.value,
            label="measured",
            where=f"{where}, {score.n_examples} examples, {score.metric}",
            standard_error=score.standard_error,
        )
    ]


def _of_point(point: Point, cost: Cost | None, where: str) -> list[Figure]:
    figures = _score(point, where)
    for name, value in measured(point, cost).items():
        if name != SCORE.name:
            figures.append(Figure(name=name, value=value, label=_label(name, cost), where=where))
    return figures


def _label(name: str, cost: Cost | None) -> Literal["measured", "projected", "proxy"]:
    if METRICS[name].label(cost) == "projected":
        return "projected"
    return "proxy" if METRICS[name].label(cost) == "proxy" else "measured"
