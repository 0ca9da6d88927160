"""One-sided tests that a score keeps a limit: p-values of the hypothesis that it does not.

Notation, of n examples that are each right (1) or wrong (0):

    b, c    examples that only the candidate, or only the baseline, has right
    m       margin: how far the candidate may be below the baseline; below 0, by how much it must
            be above it
    q       probability of c under the hypothesis: P(only the candidate) = q - m
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from deft_sweeps.statistics.studentised_bootstrap import share_beyond

Scores = NDArray[np.float64]

N_RESAMPLES = 2000
"""Of the studentised bootstrap."""


def paired_score_p(candidate: Scores, baseline: Scores, margin: float) -> float:
    """The p-value of "the candidate's share of right answers is at most the baseline's - margin".

    The score test for a paired difference (Tango, Statistics in Medicine 17, 1998; Nam, Biometrics
    53, 1997): the variance is taken at the nearest parameters that the hypothesis allows, so it
    needs no correction when few pairs differ. If no pair differs, the p-value is exact: that many
    equal pairs have at most the probability (1 - margin)^n under the hypothesis.

    Args:
        candidate: right (1) or wrong (0) of each example, shape (n,).
        baseline: the same examples, shape (n,).
        margin: in (-1, 1), in units of the score.

    Raises:
        ValueError: a score is neither 0 nor 1, the shapes differ, or n is 0.
    """
    _check_right_or_wrong(candidate)
    _check_right_or_wrong(baseline)
    if candidate.shape != baseline.shape:
        raise ValueError(f"expected equally many scores, got {candidate.shape}, {baseline.shape}")
    n = len(candidate)
    only_candidate = int((candidate > baseline).sum())
    only_baseline = int((candidate < baseline).sum())
    return paired_counts_p(only_candidate, only_baseline, n, margin)


def paired_counts_p(only_candidate: int, only_baseline: int, n: int, margin: float) -> float:
    """`paired_score_p` from the numbers of pairs that differ, of `n` pairs."""
    b, c, m = only_candidate, only_baseline, margin
    if b + c == 0:
        return (1.0 - m) ** n if m > 0 else 1.0
    # The likelihood's maximum over q is the larger root of 2 n q^2 + linear q + c m (1 + m).
    linear = -(b + c) - m * (2 * n - b + c)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * c * m * (1 + m)))
    q = max((root - linear) / (4 * n), 0.0, m)
    variance = n * (2 * q - m * (1 + m))
    distance = b - c + n * m
    if variance <= 0:
        return 0.0 if distance > 0 else 1.0
    return float(special.ndtr(-distance / math.sqrt(variance)))


def absolute_score_p(candidate: Scores, bound: float) -> float:
    """The p-value of "the share of right answers is at most `bound`": the exact binomial tail.

    Args:
        candidate: right (1) or wrong (0) of each example, shape (n,).
        bound: in units of the score.

    Raises:
        ValueError: a score is neither 0 nor 1, or n is 0.
    """
    _check_right_or_wrong(candidate)
    n, n_right = len(candidate), int(candidate.sum())
    if bound <= 0:
        return 0.0 if n_right > 0 or bound < 0 else 1.0
    if bound >= 1 or n_right == 0:
        return 1.0
    return float(special.betainc(n_right, n - n_right + 1, bound))


def paired_mean_p(candidate: Scores, baseline: Scores, margin: float) -> float:
    """`paired_score_p` for scores anywhere in [0, 1], by a studentised bootstrap.

    If no score differs, the p-value is exact, as it is there.

    Args:
        candidate: score of each example, shape (n,).
        baseline: of the same examples, shape (n,).
        margin: in (-1, 1), in units of the score.
    """
    differences = candidate - baseline
    if not differences.any() and margin > 0:
        return float((1.0 - margin) ** len(differences))
    return mean_p(differences, -margin)


def mean_p(differences: Scores, bound: float, *, seed: int = 0) -> float:
    """The p-value of "the mean of the differences is at most `bound`", by a studentised bootstrap.

    For scores that are means over examples but no right or wrong: the distance of the mean in
    standard errors, beside the same of resamples about their own mean (Efron and Tibshirani, 1993,
    section 12.5).

    Args:
        differences: one an example or, if examples come in groups, one a group; shape (n,).
        bound: in units of the differences.
        seed: of the resamples.

    Returns:
        In [1 / (N_RESAMPLES + 1), 1]; 1 if all differences are equal, which tells nothing of how
        they vary.
    """
    n = len(differences)
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    if error == 0:
        return 1.0
    rng = np.random.default_rng(seed)
    chunk = max(1, 2_000_000 // n)

    def resampled() -> Iterator[tuple[Scores, Scores]]:
        for start in range(0, N_RESAMPLES, chunk):
            drawn = differences[rng.integers(0, n, (min(chunk, N_RESAMPLES - start), n))]
            yield drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(n)

    return share_beyond(mean, error, bound, resampled(), N_RESAMPLES)


def grouped(scores: Scores, groups: NDArray[np.int64]) -> Scores:
    """Scores of examples that come in groups, one value a group, whose mean is the scores' mean.

    Args:
        scores: or differences of scores, shape (n,).
        groups: the group of each, numbered from 0, shape (n,).

    Returns:
        Each group's sum, times the number of groups over n, shape (groups,).
    """
    sums = np.bincount(groups, weights=scores)
    return np.asarray(sums * (len(sums) / len(scores)), dtype=float)


def grouped_p(scores: Scores, groups: NDArray[np.int64], bound: float, *, worst: float) -> float:
    """The p-value of "the mean of the scores is at most `bound`" if examples come in groups.

    The studentised bootstrap of the groups. It cannot see a loss that falls on whole groups of
    which none was drawn, so the p-value is never below (1 - u)^g: u is the share of unseen groups
    of the worst score that would bring the mean down to the bound, and g the number of equal groups
    that weigh as much as these (Kish, 1965: the square of the sum of their sizes over the sum of
    their squares).

    Args:
        scores: or differences of scores, shape (n,).
        groups: the group of each, numbered from 0, shape (n,).
        bound: in units of the scores.
        worst: the lowest possible score: 0, or -1 for differences.
    """
    sizes = np.bincount(groups).astype(float)
    effective = float(sizes.sum() ** 2 / (sizes**2).sum())
    mean = float(scores.mean())
    unseen = min(1.0, (mean - bound) / (mean - worst)) if mean > max(bound, worst) else 0.0
    return max(mean_p(grouped(scores, groups), bound), float((1.0 - unseen) ** effective))


def fixed_sequence(p_values: Iterable[float], alpha: float) -> Iterator[bool]:
    """Tests hypotheses in an order fixed before: whether each is rejected, up to the first that is
    not. The probability of any false rejection is at most that of one test, whatever their number:
    alpha if its p-value is valid.

    Args:
        p_values: are taken one by one, none after the first above alpha.
        alpha: in (0, 1).
    """
    for p in p_values:
        yield p <= alpha
        if p > alpha:
            return


def is_right_or_wrong(scores: Scores) -> bool:
    """Whether every score is 0 or 1."""
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _check_right_or_wrong(scores: Scores) -> None:
    if len(scores) == 0 or not is_right_or_wrong(scores):
        raise ValueError("expected scores that are 0 or 1, at least one")
