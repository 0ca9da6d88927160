"""Power of the certificate, beside a simulation of the test itself."""

import numpy as np
import pytest

from deft_sweeps.statistics.certification_power import examples_for, fewest_examples, power
from deft_sweeps.statistics.margin_p_value import paired_counts_p


@pytest.mark.parametrize(("discordance", "expected"), [(0.03, 464), (0.06, 928), (0.10, 1546)])
def test_examples_for_eighty_percent(discordance: float, expected: int) -> None:
    assert examples_for(0.02, discordance, 0.05) == pytest.approx(expected, abs=2)


def test_too_few_examples_certify_nothing() -> None:
    assert fewest_examples(0.005, 0.05) == 598
    assert power(400, 0.005, 0.0, 0.03, 0.05) == 0.0


@pytest.mark.parametrize(("loss", "discordance"), [(0.0, 0.03), (0.0, 0.10), (0.01, 0.06)])
def test_power_is_the_tests_own(loss: float, discordance: float) -> None:
    n, margin = 1200, 0.02
    parts = ((discordance - loss) / 2, (discordance + loss) / 2, 1 - discordance)
    counts = np.random.default_rng(0).multinomial(n, parts, 3000)
    simulated = np.mean([paired_counts_p(b, c, n, margin) <= 0.05 for b, c, _ in counts])
    assert power(n, margin, loss, discordance, 0.05) == pytest.approx(simulated, abs=0.04)
