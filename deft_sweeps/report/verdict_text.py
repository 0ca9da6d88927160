"""The sentences about a verdict: what to ship, how far that is certified, and what it buys."""

from deft_sweeps.config.label import label
from deft_sweeps.findings import Findings
from deft_sweeps.findings.certificate import Certificate
from deft_sweeps.findings.front_member import FrontMember, trial_ids_of
from deft_sweeps.findings.limit_p_value import PAIRED_TEST, LimitTest
from deft_sweeps.findings.verdict import VerdictKind
from deft_sweeps.metrics import METRICS
from deft_sweeps.report import choice_text
from deft_sweeps.report.report_table import Mark, ReportTable, Row
from deft_sweeps.result import FinalMeasurement

TITLES: dict[VerdictKind, str] = {
    "ship": "SHIP",
    "baseline": "SHIP THE BASELINE",
    "not certified": "CHOSEN, NOT CERTIFIED",
    "not confirmed": "NOT CONFIRMED ON TEST",
    "nothing": "NOTHING MEETS THE LIMITS",
}
"""The first words of every answer."""


def headline(findings: Findings) -> str:
    """The verdict, in a sentence."""
    verdict, member = findings.verdict, findings.choice.member
    title = TITLES[verdict.kind]
    if member is None:
        return f"{title}{f': {verdict.why}' if verdict.why else ''}"
    head = f"{title}: {label(member.result.config)}, threshold {member.point.at}"
    if findings.runtime:
        head += f", in {findings.runtime}"
    match verdict.kind:
        case "not confirmed":
            return f"{head}; {_breaches_on_test(findings)}; {_baseline_on_test(findings)}"
        case "not certified":
            return f"{head}; {verdict.why}"
        case "baseline":
            return f"{head}; nothing that is certified is better by `{findings.choice.policy}`"
    if verdict.step is not None and verdict.step.n_finalists:
        head += f"; {_by_bounds(verdict.step.n_finalists)}"
    return head


def certificate_told(findings: Findings) -> str:
    """What was certified, and what that means, a few sentences; empty without a certificate."""
    certificate = findings.certificate_for(findings.choice.limits)
    if certificate is None or not certificate.steps:
        return ""
    if certificate.n_finalists:
        return _bounds_told(certificate) + _later_trials(findings, certificate)
    chain, n_certified = certificate.chain, len(certificate.certified)
    n_examples = certificate.steps[0].measurement.point.score.n_examples
    text = (
        f"{n_certified} of {len(chain.candidates)} candidates, whose order was fixed before, are"
        f" certified on {n_examples} selection examples: if such sweeps were repeated, in about"
        f" {chain.alpha:.3g} of them at most would any certified configuration break a limit in"
        " truth."
    )
    if any(test.how == PAIRED_TEST for step in certificate.steps for test in step.tests):
        text += f" The {PAIRED_TEST} is approximate: at an alpha of 0.05 it errs in up to 0.06."
    if certificate.failed is not None:
        failed = certificate.failed
        text += (
            f" {failed.candidate.name} ended the walk at `{failed.worst.limit}`"
            f" (p = {failed.p:.3g})."
        )
    if chain.n_looks:
        text += (
            f" {chain.n_looks} earlier sweeps that this one started from have read the same"
            " examples, so alpha was halved for each."
        )
    return text + _later_trials(findings, certificate)


def runtime_told(findings: Findings) -> str:
    """That another runtime was measured, a sentence; empty if the trial itself was."""
    if not findings.runtime:
        return ""
    return (
        f"Scores, latency, memory and bytes are those of {findings.runtime}, measured on exported"
        " artefacts; densities are counted in torch."
    )


def limits_told(findings: Findings) -> tuple[str, ...]:
    """Each limit of the choice with its value, its margin and what judged it, a clause a limit."""
    choice, verdict = findings.choice, findings.verdict
    if choice.member is None:
        return ()
    if verdict.step is not None:
        n_examples = verdict.step.measurement.point.score.n_examples
        return tuple(_tested(test, n_examples) for test in verdict.step.tests)
    return tuple(
        choice_text.kept_by(choice.member, limit, choice.baselines) for limit in choice.limits
    )


def within_chance_told(findings: Findings) -> str:
    """Which limits the test split's value breaks by no more than chance, a sentence; or empty."""
    limits = findings.confirmation.within_chance
    if not limits or findings.confirmation.member is None:
        return ""
    clauses = "; ".join(
        choice_text.test_breach(
            findings.confirmation.member, limit.bare, findings.confirmation.baselines
        )
        for limit in limits
    )
    return (
        f"On the test split {clauses}. That is within chance: the 95% interval reaches back to the"
        " limit, so it does not contradict the certificate."
    )


def unjudged_on_test(findings: Findings) -> str:
    """That the choice, or which of its limits, was not judged on the test split, a sentence; empty
    if all was.
    """
    if findings.choice.member is None:
        return ""
    if not findings.finals:
        return (
            "Not measured on the test split: the figures are from validation examples, which search"
            " and choice have seen."
        )
    unjudged = findings.confirmation.unjudged
    if not unjudged:
        return ""
    named = ", ".join(f"`{limit}`" for limit in unjudged)
    return (
        "Not judged on the test split, because the metric or the baseline was not measured there:"
        f" {named}."
    )


def certificate_table(findings: Findings) -> ReportTable:
    """The candidates of the chain, in its order, with what the selection split says of each."""
    certificate = findings.certificate
    columns = ("candidate", "configuration", ">score", ">p", "outcome")
    if certificate is None:
        return ReportTable("Certificate", columns, ())
    members = {one.name: one for m in findings.pool for one in m.trainings}
    steps = {step.candidate.name: step for step in certificate.steps}
    rows = []
    for candidate in certificate.chain.candidates:
        step, member = steps.get(candidate.name), members.get(candidate.name)
        outcome = "not measured"
        if step is not None:
            outcome = "certified" if step.certified else f"fails {step.worst.limit}"
        rows.append(
            Row(
                (
                    candidate.name,
                    label(member.result.config) if member else "",
                    f"{step.measurement.point.score.value:.3f}" if step else "",
                    f"{step.p:.3g}" if step else "",
                    outcome,
                ),
                _mark(findings, member),
            )
        )
    chain = certificate.chain
    note = (
        f"in the order that validation examples gave, fixed before the {chain.n_examples} selection"
        f" examples were read; the first p above {chain.alpha:g} ends the walk, and nothing after"
        " it is measured"
    )
    return ReportTable("Certificate", columns, tuple(rows), note)


def _mark(findings: Findings, member: FrontMember | None) -> Mark:
    chosen = findings.choice.member
    return "chosen" if member and chosen and member.name == chosen.name else ""


def _tested(test: LimitTest, n_examples: int) -> str:
    metric = METRICS[test.limit.metric]
    if test.margin is None:
        return f"`{test.limit}`: not measured"
    side = "inside it" if test.margin >= 0 else "beyond it"
    how = f"p = {test.p:.3g}, {test.how}" if 0 < test.p < 1 else test.how
    return (
        f"`{test.limit}`: {metric.text(abs(test.margin))} {side} on {n_examples} selection"
        f" examples ({how})"
    )


def _by_bounds(n_finalists: int) -> str:
    return f"certified by simultaneous bounds over {n_finalists} finalists"


def _bounds_told(certificate: Certificate) -> str:
    """What a policy has that came after the selection split was read, a few sentences."""
    n_certified = len(certificate.certified)
    return (
        f"{n_certified} of {certificate.n_finalists} finalists"
        f" {'is' if n_certified == 1 else 'are'} certified by simultaneous bounds: the selection"
        " split had been read when these limits were named, so each bound takes an error"
        f" probability of {certificate.level:.2g}. Of repeated sweeps, in at most"
        f" {certificate.chain.alpha:.3g} would any answer to any later policy that is so certified"
        f" break a limit in truth; {len(certificate.steps)} finalists were measured."
    )


def _later_trials(findings: Findings, certificate: Certificate) -> str:
    n_later = len(trial_ids_of(findings.pool)) - certificate.chain.n_trials
    if n_later <= 0:
        return ""
    return f" {n_later} trials ended after the order was fixed and have no part in it."


def _breaches_on_test(findings: Findings) -> str:
    confirmation = findings.confirmation
    assert confirmation.member is not None
    return "; ".join(
        choice_text.test_breach(confirmation.member, limit, confirmation.baselines)
        for limit in confirmation.broken
    )


def _baseline_on_test(findings: Findings) -> str:
    choice = findings.choice
    final = _final_of("baseline", findings)
    if choice.baseline is None or choice.member is None:
        return "no baseline was measured there"
    if final is not None:
        named = f"{label(choice.baseline.result.config)}, threshold {final.point.at}"
        return f"the baseline scores {final.point.score.value:.3f} there ({named})"
    if choice.baseline.name == choice.member.name:
        return "it is the baseline itself"
    return "no baseline was measured there"


def _final_of(role: str, findings: Findings) -> FinalMeasurement | None:
    return next((final for final in findings.finals if final.role == role), None)
