"""The sentences about a choice: why this one, how sure that is, and why not the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deft_sweeps.config.label import label
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_check import (
    admits,
    awaiting_costs,
    excess,
    interval_words,
    judgeable,
    keeps,
)
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.report.seed_text import seeds_told


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a front member was not chosen, a sentence."""

    member: FrontMember
    why: str


def why(choice: Choice) -> str:
    """Why the chosen one was chosen, or why nothing was, a sentence or two."""
    if choice.member is None:
        return _why_none(choice)
    n_eligible = len(choice.merits)
    scope = ": it is the only front point that keeps every limit"
    if n_eligible > 1:
        scope = f" of the {n_eligible} front points that keep every limit"
    if choice.needs_certificate:
        # The front of the certified points; the chosen one may be off the sweep's own front.
        scope = ": it is the only point on the front of the certified points"
        if n_eligible > 1:
            scope = f" of the {n_eligible} points on the front of the certified points"
    head = _by_metric(choice) if choice.policy.metric else _by_knee(choice)
    named = f"{label(choice.member.result.config)} at threshold {choice.member.point.at}"
    return f"{named} is chosen by `{choice.policy}`: {head}{scope}."


def _by_metric(choice: Choice) -> str:
    assert choice.member is not None
    name = choice.policy.metric or ""
    best = "highest" if METRICS[name].direction == "maximize" else "lowest"
    then = choice.policy.then
    if then is not None:
        second = METRICS[then]
        superlative = "highest" if second.direction == "maximize" else "lowest"
        return (
            f"it has the {superlative} {then} ({second.text(choice.member.values[then])}) among"
            f" those within {choice.policy.band:.3g} of the {best} {name}"
        )
    return f"it has the {best} {name} ({METRICS[name].text(choice.member.values[name])})"


def _by_knee(choice: Choice) -> str:
    assert choice.member is not None
    if choice.merits[choice.member.name] <= 0 and len(choice.merits) > 1:
        return (
            "no point lies beyond the straight line between the front's ends, so the end that is"
            " best by the first objective is taken"
        )
    return "it is the knee: it lies furthest beyond the straight line between the front's ends"


def rejected(choice: Choice) -> tuple[Rejected, ...]:
    """Why each other member of the front was not chosen."""
    if choice.member is None:
        return ()
    others = [m for m in choice.front.members if m.name != choice.member.name]
    return tuple(Rejected(other, _why_rejected(choice, other)) for other in others)


def _why_rejected(choice: Choice, other: FrontMember) -> str:
    chosen, name = choice.member, choice.policy.metric
    assert chosen is not None
    broken = [limit for limit in choice.limits if not keeps(other, limit, choice.baselines)]
    if broken:
        return "; ".join(breach(other, limit, choice.baselines) for limit in broken)
    if choice.needs_certificate and other.name not in choice.merits:
        return "it is not certified"
    if name is None:
        bulge = choice.merits.get(other.name, -np.inf)
        best = choice.merits[chosen.name]
        return f"less of a knee: {bulge:.3f} beyond the line, the chosen one {best:.3f}"
    mine, theirs = other.values.get(name), chosen.values[name]
    if mine is None:
        return f"{name} was not measured"
    if mine == theirs:
        return f"equal in {name}; the chosen one comes first by the objectives"
    word, text = "below" if mine < theirs else "above", METRICS[name].text
    return f"{name} {text(mine)} is {text(abs(mine - theirs))} {word} the chosen one's"


def breach(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    """How a member breaks a limit, a clause."""
    if limit.metric not in member.values:
        return f"{limit.metric} was not measured, so `{limit}` cannot be judged"
    how = f", judged {interval_words(member, limit, baselines)}" if limit.surely else ""
    value, beyond = member.values[limit.metric], excess(member, limit, baselines)
    text = METRICS[limit.metric].text
    return f"breaks `{limit}`: {text(value)} is {text(beyond)} beyond it{how}"


def kept_by(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    """By how much a member keeps a limit on validation examples, a clause."""
    if limit.metric not in member.values or not judgeable(limit, baselines):
        return f"`{limit}`: not measured"
    margin = -excess(member, limit, baselines)
    how = interval_words(member, limit, baselines) if limit.surely else "by the value"
    side = "inside it" if margin >= 0 else "beyond it"
    text = METRICS[limit.metric].text(abs(margin))
    return f"`{limit}`: {text} {side} on validation examples ({how})"


def test_breach(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    """How a member breaks a limit on the test split, a clause.

    Args:
        member: with the values of the test split.
        limit: that it breaks there.
        baselines: that were measured there.
    """
    how = f", judged {interval_words(member, limit, baselines)}" if limit.surely else ""
    value, beyond = member.values[limit.metric], excess(member, limit, baselines)
    text = METRICS[limit.metric].text
    return (
        f"it breaks `{limit}` there: {limit.metric} {text(value)} is {text(beyond)} beyond it{how}"
    )


def caveats(choice: Choice) -> tuple[str, ...]:
    """What the validation figures cannot promise, a sentence each."""
    member = choice.member
    if member is None:
        return awaiting_notes(choice.awaiting, NOT_CHOSEN)
    sentences = [*_of_seeds(member), *_of_difference(choice)]
    sentences += [
        f"`{limit}` was judged {interval_words(member, limit, choice.baselines)}."
        for limit in choice.limits
        if limit.surely
    ]
    if choice.n_points > 1 and not choice.needs_certificate:
        sentences.append(
            f"It was picked from {choice.n_points} measured points on the same examples, so its "
            "validation score flatters it; the test measurement does not."
        )
    return (*sentences, *awaiting_notes(choice.awaiting, NOT_CHOSEN))


ON_FRONT = "they may be on the front until then"
NOT_CHOSEN = "they are not chosen until then"


def awaiting_notes(awaiting: Mapping[str, int], meanwhile: str) -> tuple[str, ...]:
    """A sentence or two for each limit or metric that cannot judge some points yet.

    Args:
        awaiting: how many points.
        meanwhile: what becomes of them, a clause.
    """
    return tuple(
        f"`{what}` cannot judge {n} points yet: of their structures there is only a proxy, which"
        " decides nothing. Each structure is measured alone when the search has ended;"
        f" {meanwhile}."
        for what, n in awaiting.items()
    )


def _of_seeds(member: FrontMember) -> Sequence[str]:
    mean = member.over_seeds(SCORE.name)
    if mean is None:
        return ()
    interval = f"95% interval {mean.low:.3f} to {mean.high:.3f}, over seeds on the same examples"
    return (
        (
            f"Its figures are means over {mean.n_seeds} training seeds: score {mean.value:.3f} "
            f"({interval}). The trial to ship is the one nearest them."
        ),
    )


def _of_difference(choice: Choice) -> list[str]:
    difference, baseline, member = choice.difference, choice.baseline, choice.member
    assert member is not None
    if difference is None:
        if baseline is None or baseline.name == member.name:
            return []
        return [
            "The chosen one and the baseline cannot be paired by example, so their difference has"
            " no interval."
        ]
    interval = f"95% interval {difference.low:+.3f} to {difference.high:+.3f}, {difference.how}"
    sentences = [
        f"On the {difference.n_examples} validation examples the chosen one scores "
        f"{difference.value:+.3f} beside the baseline ({interval})."
    ]
    if member.n_seeds == 1 or (baseline is not None and baseline.n_seeds == 1):
        sentence = seeds_told(choice.seed_spread)
        sentences.append(f"That interval is over examples: {sentence}.")
    for limit in choice.limits:
        on_score = limit.metric == SCORE.name and limit.relation == ">="
        named = choice.baselines.get(limit.bound.baseline or "")
        relative = on_score and named is baseline and not limit.surely
        if relative and difference.low < limit.bound.value and not choice.needs_certificate:
            sentences.append(
                f"The interval reaches below `{limit}`: these examples cannot tell for certain that"
                " the limit is kept."
            )
    return sentences


def why_none_keeps(
    pool: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines
) -> str:
    """Why no measured point keeps every limit, a sentence or two."""
    if not pool:
        return "no trial has finished with every objective measured."
    missing = [limit for limit in limits if not judgeable(limit, baselines)]
    if missing:
        needs = f"`{missing[0]}` needs baseline({missing[0].bound.baseline})"
        return f"{needs}, and no trial of that kind has finished."
    n_broken = {limit: sum(not admits(m, limit, baselines) for m in pool) for limit in limits}
    worst = max(n_broken, key=lambda limit: n_broken[limit], default=None)
    if worst is not None and n_broken[worst]:
        excluded = f"`{worst}` excludes most, {n_broken[worst]} of {len(pool)}."
        return f"no measured point keeps every limit. {excluded}"
    if awaiting_costs(pool, limits, baselines):
        return "no point that a limit can judge is left."
    return (
        "every point that keeps the limits has no threshold, and its zeros are float saturation;"
        " a threshold above 0 in `evaluation` gives points that count."
    )


def _keeps_every(member: FrontMember, choice: Choice) -> bool:
    return all(
        judgeable(limit, choice.baselines) and keeps(member, limit, choice.baselines)
        for limit in choice.limits
    )


def _why_none(choice: Choice) -> str:
    pool, baselines, limits = choice.pool, choice.baselines, choice.limits
    head = "Nothing can be chosen"
    if choice.needs_certificate and any(_keeps_every(m, choice) for m in pool):
        return f"{head}: no candidate was certified."
    text = f"{head}: {why_none_keeps(pool, limits, baselines)}"
    miss = choice.nearest_miss
    if miss is not None:
        broken = [limit for limit in limits if not keeps(miss, limit, baselines)]
        how = "; ".join(breach(miss, limit, baselines) for limit in broken)
        named = f"{label(miss.result.config)} at threshold {miss.point.at}"
        text += f" The nearest miss is {named}: it {how}."
    return text
