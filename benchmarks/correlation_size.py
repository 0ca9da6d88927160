"""The error rate of the test of correlations at the limit itself.

    python -m benchmarks.correlation_size
    python -m benchmarks.correlation_size --examples 400 --draws 2000

Examples are drawn from four populations, and the limit is the truth: a test of level alpha may
reject in a share of alpha of the draws. Reported is that share, for a model by itself and beside a
baseline that shares half of its error. The truth is taken over four million examples; with 2,000
draws the standard error of a share of .05 is .005. Examples without a test, since a few of them
decide the correlation, reject nothing.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.statistics.correlation_p_value import CORRELATIONS, studentised_p
from deft_sweeps.task_metrics import weighted_metric

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
"""References, candidate and baseline of n examples, shape (3, n)."""

ALPHA = 0.05
N_TRUTH = 4_000_000


def _predicted(rng: np.random.Generator, references: Floats, noise: Draw) -> Floats:
    shared, own, other = noise(rng, len(references))
    return np.array([references, references + shared + own, references + shared + 1.1 * other])


def _normal_noise(scale: float, rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(0, scale, (3, n))


def normal(rng: np.random.Generator, n: int) -> Floats:
    """A normal reference and normal errors."""
    return _predicted(rng, rng.normal(size=n), partial(_normal_noise, 0.35))


def rated(rng: np.random.Generator, n: int) -> Floats:
    """Ratings of 0 to 5 in steps of .2, and predictions within that range, as in STS-B."""
    references = np.round(rng.beta(1.1, 0.9, n) * 25) / 5
    return np.clip(_predicted(rng, references, partial(_normal_noise, 0.5)), 0, 5)


def heavy(rng: np.random.Generator, n: int) -> Floats:
    """Errors of Student's t with 5 degrees of freedom."""
    return _predicted(rng, rng.normal(size=n), lambda r, k: 0.3 * r.standard_t(5, (3, k)))


def skewed(rng: np.random.Generator, n: int) -> Floats:
    """A lognormal reference with errors that grow with it, as of prices."""
    references = rng.lognormal(0, 0.5, n)
    return _predicted(rng, references, lambda r, k: 0.3 * references * r.normal(size=(3, k)))


POPULATIONS: dict[str, Draw] = {
    "normal": normal,
    "ratings 0 to 5": rated,
    "heavy tails": heavy,
    "skewed": skewed,
}


def truths(draw: Draw, metric: str) -> tuple[float, float]:
    """The candidate's correlation and its difference to the baseline's."""
    references, candidate, baseline = draw(np.random.default_rng(0), N_TRUTH)
    whole = np.ones((1, N_TRUTH))
    own, other = (
        float(weighted_metric(metric, each, references, whole)[0]) for each in (candidate, baseline)
    )
    return own, own - other


def size(draw: Draw, metric: str, n: int, n_draws: int, n_resamples: int) -> tuple[float, float]:
    """Shares of draws that reject at the truth: of a model by itself, and beside the baseline."""
    rng = np.random.default_rng(1)
    absolute, difference = truths(draw, metric)
    n_rejected = np.zeros(2)
    for _ in range(n_draws):
        references, candidate, baseline = draw(rng, n)
        terms = [(1.0, candidate), (-1.0, baseline)]
        for place, (of, bound) in enumerate(((terms[:1], absolute), (terms, difference))):
            p = studentised_p(metric, of, references, bound, n_resamples=n_resamples)
            n_rejected[place] += p is not None and p <= ALPHA
    absolute_share, paired_share = n_rejected / n_draws
    return float(absolute_share), float(paired_share)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--examples", type=int, nargs="+", default=[400])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=399)
    options = parser.parse_args()
    print("| examples | population | metric | by itself | beside a baseline |")
    print("| --- | --- | --- | --- | --- |")
    for n in options.examples:
        for name, draw in POPULATIONS.items():
            for metric in CORRELATIONS:
                shares = size(draw, metric, n, options.draws, options.resamples)
                print(
                    f"| {n} | {name} | {metric} | {shares[0]:.3f} | {shares[1]:.3f} |", flush=True
                )


if __name__ == "__main__":
    main()
