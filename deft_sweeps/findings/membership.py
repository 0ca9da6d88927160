"""The probability that each member of the front belongs there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, values_of
from deft_sweeps.findings.limit_check import admits, judgeable
from deft_sweeps.findings.pareto_front import ParetoFront, counts_saturation
from deft_sweeps.metrics import SCORE, as_losses, signs
from deft_sweeps.objective import Constraint
from deft_sweeps.statistics.front_probability import N_DRAWS, front_probabilities
from deft_sweeps.statistics.measurement_noise import ExampleNoise, NoisyPoint, SeedNoise


@dataclass(frozen=True, slots=True)
class Membership:
    """The estimated probability that each member belongs to the true front.

    Attributes:
        probabilities: by the member's name, in [0, 1].
        source: of the noise: `seeds` if training's own is counted, beside that of the validation
            examples; `examples` if only theirs is, since no seeds tell of training's; `none` if
            neither is known.
        note: what was drawn, in a sentence or two.
    """

    probabilities: Mapping[str, float] = field(default_factory=dict)
    source: Literal["seeds", "examples", "none"] = "none"
    note: str = ""


def membership_of(
    everyone: Sequence[FrontMember],
    front: ParetoFront,
    limits: Sequence[Constraint],
    baselines: Baselines,
    seed: int = 0,
) -> Membership:
    """The probability that each member of `front` is on it, given the noise of all measurements.

    Two noises add up, each if it is known. Training's: a configuration's means move with the
    covariance within configurations, pooled over all that have several seeds, whether they keep the
    limits or not, and divided by the configuration's own number of them. The thresholds of one
    configuration move together, as they did in the trials. That covariance is an estimate, at times
    from one pair of seeds, so the draws are of a t distribution with its degrees of freedom; for
    every single difference that is exact, and no number of seeds has to be declared enough. The
    examples': the score moves as the mean over validation examples does if these are drawn again,
    the same examples for all points (the bootstrap's normal limit). Limits are taken as kept.

    Args:
        everyone: the measured points, pooled over seeds.
        front: of those that keep the limits.
        limits: the same as the front's.
        baselines: that limits compare with.
        seed: of the draws.
    """
    if not front.members:
        return Membership()
    objectives = front.objectives
    on_front = {member.name for member in front.members}
    judged = [limit for limit in limits if judgeable(limit, baselines)]
    inside = [
        all(admits(m, limit, baselines) for limit in judged)
        and (m.name in on_front or not counts_saturation(m, objectives))
        for m in everyone
    ]
    members = [member for member, keep in zip(everyone, inside, strict=True) if keep]
    pool = [noisy_point(member, objectives) for member in members]
    repeated = [noisy_point(member, objectives) for member in everyone if member.seeds]
    column = objectives.index(SCORE.name) if SCORE.name in objectives else None
    seed_noise = SeedNoise(repeated, pool, len(objectives))
    example_noise = ExampleNoise(pool, len(objectives), column)
    noises = [noise for noise in (seed_noise, example_noise) if noise.is_estimated]
    if not noises:
        certain = dict.fromkeys((member.name for member in front.members), 1.0)
        return Membership(certain, "none", "no noise is known, so every member counts as sure")
    place = {member.name: i for i, member in enumerate(members)}
    losses = as_losses(values_of(members, objectives), objectives)
    wanted = [place[member.name] for member in front.members]
    shares = front_probabilities(losses, wanted, noises, signs(objectives), seed)
    probabilities = {m.name: float(s) for m, s in zip(front.members, shares, strict=True)}
    source: Literal["seeds", "examples"] = "seeds" if seed_noise.is_estimated else "examples"
    return Membership(probabilities, source, _note(seed_noise, example_noise))


def noisy_point(member: FrontMember, objectives: Sequence[str]) -> NoisyPoint:
    """The member as the noise models see it."""

    def row(values: Mapping[str, float]) -> np.ndarray:
        return np.array([values[name] for name in objectives])

    score = member.point.score
    return NoisyPoint(
        config_id=member.result.config_id,
        at=member.point.at,
        mean=row(member.values),
        seeds=tuple((one.result.trial_id, row(one.values)) for one in member.seeds),
        example_scores=tuple(point.example_scores for point in member.points),
        score=member.values[SCORE.name],
        score_error=score.standard_error,
        n_examples=score.n_examples,
    )


def _note(seed_noise: SeedNoise, example_noise: ExampleNoise) -> str:
    head = (
        "Estimated probability that the member belongs to the true front, given the measured"
        f" points: the share of {N_DRAWS} draws in which nothing dominates it. "
    )
    same = "the same ones for all points where their scores are kept"
    if not seed_noise.is_estimated:
        return (
            f"{head}{seed_noise.why_not}, so training's own noise is not known and not counted: "
            f"only the {example_noise.n_examples} validation examples are drawn again, {same}, and "
            "the density stands still"
        )
    again = f"the {example_noise.n_examples} validation examples are drawn again as well, {same}"
    return (
        f"{head}Training's noise: t distributed ({seed_noise.freedom} degrees of freedom), with "
        "the objectives' covariance over the seeds of a configuration, pooled over the "
        f"{seed_noise.n_repeated} that have several and held to be alike for all, divided by the "
        "member's own seeds; "
        f"{again if example_noise.is_estimated else 'the validation examples are taken as given'}"
    )
