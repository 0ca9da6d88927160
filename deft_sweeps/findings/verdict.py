"""What a sweep's answer is worth: one of five verdicts, from choice, certificate and test split."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.findings.certificate import Certificate, Step
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.confirmation import Confirmation
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Chain
from deft_sweeps.statistics.certification_power import fewest_examples

VerdictKind = Literal["ship", "baseline", "not certified", "not confirmed", "nothing"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sweep's answer.

    Attributes:
        kind: `ship`: certified, and the test split does not contradict; `baseline`: the same of the
            baseline itself, since nothing that is certified is better by the policy; `not
            certified`: chosen on validation examples alone; `not confirmed`: the test split
            contradicts; `nothing`: no configuration keeps the limits.
        step: of the certificate, for the chosen configuration; None if it has none.
        why: why it is not certified, or why nothing is, a sentence; empty otherwise.
    """

    kind: VerdictKind
    step: Step | None = None
    why: str = ""


def verdict_of(
    choice: Choice, certificate: Certificate | None, confirmation: Confirmation
) -> Verdict:
    """The verdict on a choice.

    Args:
        choice: of the policy.
        certificate: of the choice's limits; None if no chain was written.
        confirmation: of the choice on the test split.
    """
    member = choice.member
    if member is None:
        return Verdict("nothing", why=_why_none_certified(certificate) or _why_unjudged(choice))
    step = None if certificate is None else certificate.step_of(member)
    if confirmation.broken:
        return Verdict("not confirmed", step)
    if step is None:
        return Verdict("not certified", why=_why_uncertified(choice, certificate))
    named = {limit.bound.baseline for limit in choice.limits} - {None} or {"peft"}
    own = {choice.baselines[name].name for name in choice.baselines if name in named}
    return Verdict("baseline" if member.name in own else "ship", step)


def floor_of(limits: tuple[Constraint, ...], alpha: float) -> int:
    """The fewest selection examples that can certify all limits if no answer differs; 0 if no
    limit needs examples.
    """
    return max((_floor(limit, alpha) for limit in limits), default=0)


def _floor(limit: Constraint, alpha: float) -> int:
    bound = limit.bound.value
    if limit.metric != SCORE.name or limit.relation != ">=":
        return 0
    if limit.bound.baseline is not None:
        return fewest_examples(-bound, alpha) if bound < 0 else 0
    return fewest_examples(1 - bound, alpha) if 0 < bound < 1 else 0


def too_few(chain: Chain, limits: tuple[Constraint, ...]) -> str:
    """That the selection split is too small for the limits, a sentence; empty if it is not."""
    floor = floor_of(limits, chain.alpha)
    if chain.n_examples >= floor:
        return ""
    return (
        f"{chain.n_examples} selection examples are too few: at these limits fewer than {floor:,}"
        " certify nothing, even if no answer differs"
    )


def _why_uncertified(choice: Choice, certificate: Certificate | None) -> str:
    """The reason, and what to do about it, a sentence."""
    if certificate is None:
        return (
            "the sweep has read no selection split, so it was chosen on validation examples; a"
            " sweep with `splits: {selection: 1200}` in its task can certify"
        )
    if not choice.limits:
        return "there is no limit to certify; state one, `where score >= baseline(peft) - 0.02` say"
    if certificate.n_finalists:
        return _why_not_bounded(certificate)
    if reason := too_few(certificate.chain, choice.limits):
        return f"{reason}; allow a wider margin, or set more selection examples aside"
    if certificate.missing is not None:
        return (
            "the walk along the chain of candidates has not come to its end; `deft-sweeps run DIR"
            " --resume` goes on with it"
        )
    return (
        "it is not among the candidates that were fixed before the selection split was read; the"
        " sweep's own policy chooses among those"
    )


def _why_unjudged(choice: Choice) -> str:
    """Which limits nothing but a proxy could judge, a clause; empty if none."""
    if not choice.awaiting:
        return ""
    named = ", ".join(f"`{what}`" for what in choice.awaiting)
    return (
        f"as far as is known: {named} cannot judge {max(choice.awaiting.values())} points before"
        " their structures are measured alone"
    )


def _why_not_bounded(certificate: Certificate) -> str:
    other = f"the selection split was read for other limits ({', '.join(certificate.chain.limits)})"
    if not certificate.steps:
        return f"{other}, and no finalist was measured on it"
    nearest = min(certificate.steps, key=lambda step: step.p)
    worst = nearest.worst
    unknown = worst.limit.bound.baseline
    if worst.margin is None and unknown is not None:
        return f"{other}, and baseline({unknown}) was not measured on it"
    return (
        f"{other}, and by simultaneous bounds over {certificate.n_finalists} finalists it is not"
        f" certified: of those measured the nearest has p = {nearest.p:.3g} at `{worst.limit}`"
        f" (at most {certificate.level:.3g} is asked)"
    )


def _why_none_certified(certificate: Certificate | None) -> str:
    failed = certificate.failed if certificate is not None else None
    if certificate is None or failed is None or certificate.certified:
        return ""
    worst = failed.worst
    return (
        f"on {failed.measurement.point.score.n_examples} selection examples the safest candidate"
        f" fails `{worst.limit}` (p = {worst.p:.3g}, at most {certificate.chain.alpha:g} is asked)"
    )
