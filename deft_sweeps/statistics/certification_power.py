"""The probability that a number of examples certifies a configuration, for planning a sweep.

The paired score test's normal approximation. `discordance` is the share of examples that candidate
and baseline answer differently, in the sense of one right and one wrong.
"""

import math

from scipy import special

DISCORDANCES = (0.03, 0.06, 0.10)
"""Shares of examples that a plan states the power for; trained pairs of the shipped sweeps lie in
between."""


def power(n: int, margin: float, loss: float, discordance: float, alpha: float) -> float:
    """The probability that `n` examples certify a candidate.

    Args:
        n: selection examples.
        margin: how far the candidate may be below the baseline, above 0.
        loss: how far it is below it in truth, at most `discordance`.
        discordance: in (0, 1].
        alpha: of the test, one-sided.
    """
    if n < fewest_examples(margin, alpha):
        return 0.0
    deviation = math.sqrt(max(discordance - loss * loss, 1e-12) / n)
    return float(special.ndtr((margin - loss) / deviation - special.ndtri(1 - alpha)))


def examples_for(margin: float, discordance: float, alpha: float, wanted: float = 0.8) -> int:
    """The examples with which a candidate of no loss is certified with the probability `wanted`:
    (z_alpha + z_wanted)^2 discordance / margin^2, 6.18 discordance / margin^2 for 5 % and 80 %.
    """
    z = float(special.ndtri(1 - alpha) + special.ndtri(wanted))
    return max(math.ceil(z * z * discordance / margin**2), fewest_examples(margin, alpha))


def fewest_examples(margin: float, alpha: float) -> int:
    """Fewer examples than this certify nothing at this margin if no answer differs:
    ln(alpha) / ln(1 - margin).
    """
    if margin >= 1:
        return 1
    return math.ceil(math.log(alpha) / math.log1p(-margin))
