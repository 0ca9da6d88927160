"""P-values of limits on a score, beside a naive maximum of the likelihood and by simulation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from deft_sweeps.statistics.margin_p_value import (
    absolute_score_p,
    grouped,
    grouped_p,
    mean_p,
    paired_counts_p,
    paired_mean_p,
    paired_score_p,
)


def naive_score_p(b: int, c: int, n: int, m: float) -> float:
    """The score test with the constrained likelihood maximised by a search."""

    def minus_log_likelihood(q: float) -> float:
        return -(
            b * math.log(max(q - m, 1e-300))
            + c * math.log(max(q, 1e-300))
            + (n - b - c) * math.log(max(1 - 2 * q + m, 1e-300))
        )

    low, high = max(0.0, m), (1 + m) / 2
    q = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    z = (b - c + n * m) / math.sqrt(n * (2 * q - m * (1 + m)))
    return float(stats.norm.sf(z))


class TestPaired:
    @pytest.mark.parametrize("margin", [-0.05, 0.0, 0.005, 0.02, 0.1])
    @pytest.mark.parametrize(("b", "c"), [(1, 0), (0, 1), (10, 12), (40, 20), (3, 30)])
    def test_equals_a_naive_maximum(self, b: int, c: int, margin: float) -> None:
        assert paired_counts_p(b, c, 400, margin) == pytest.approx(
            naive_score_p(b, c, 400, margin), abs=2e-4
        )

    def test_without_a_margin_it_is_mcnemars(self) -> None:
        assert paired_counts_p(30, 12, 500, 0.0) == pytest.approx(
            stats.norm.sf((30 - 12) / math.sqrt(42))
        )

    def test_equal_answers_are_judged_exactly(self) -> None:
        scores = np.ones(400)
        assert paired_score_p(scores, scores, 0.02) == pytest.approx(0.98**400)
        assert paired_score_p(scores, scores, 0.005) > 0.05  # 400 examples never certify .005.
        assert paired_score_p(scores, scores, 0.0) == paired_score_p(scores, scores, -0.1) == 1.0

    def test_size_at_the_limit(self) -> None:
        rng = np.random.default_rng(0)
        n, m, discordance, draws = 1200, 0.02, 0.06, 4000
        parts = ((discordance - m) / 2, (discordance + m) / 2, 1 - discordance)
        counts = rng.multinomial(n, parts, draws)
        rejected = np.mean([paired_counts_p(b, c, n, m) <= 0.05 for b, c, _ in counts])
        assert 0.03 < rejected < 0.06

    def test_refuses_what_is_neither_right_nor_wrong(self) -> None:
        with pytest.raises(ValueError, match="0 or 1"):
            paired_score_p(np.array([0.5]), np.array([1.0]), 0.02)
        with pytest.raises(ValueError, match="equally many"):
            paired_score_p(np.ones(2), np.ones(3), 0.02)


class TestAbsolute:
    @pytest.mark.parametrize(
        ("right", "n", "bound"), [(90, 100, 0.85), (50, 100, 0.6), (7, 9, 0.3)]
    )
    def test_is_the_binomial_tail(self, right: int, n: int, bound: float) -> None:
        scores = np.r_[np.ones(right), np.zeros(n - right)]
        naive = sum(stats.binom.pmf(k, n, bound) for k in range(right, n + 1))
        assert absolute_score_p(scores, bound) == pytest.approx(naive)

    def test_ends(self) -> None:
        assert absolute_score_p(np.zeros(5), 0.5) == absolute_score_p(np.ones(5), 1.0) == 1.0
        assert absolute_score_p(np.array([0.0, 1.0]), -0.1) == 0.0


class TestGroups:
    def test_groups_of_one_row_change_nothing(self) -> None:
        differences = np.random.default_rng(0).normal(0.0, 0.2, 300)
        assert np.allclose(grouped(differences, np.arange(300)), differences)

    def test_the_mean_stays_and_equal_rows_count_once(self) -> None:
        rng = np.random.default_rng(0)
        once = rng.choice([-1.0, 0.0, 1.0], 400, p=[0.03, 0.94, 0.03])
        rows = np.repeat(once, 5)
        by_group = grouped(rows, np.repeat(np.arange(400), 5))
        assert by_group.mean() == pytest.approx(rows.mean())
        assert mean_p(by_group, -0.02) == pytest.approx(mean_p(once, -0.02))
        assert mean_p(rows, -0.02) < mean_p(by_group, -0.02)


class TestGroupedLimit:
    def test_a_few_groups_certify_nothing_without_a_loss_in_sight(self) -> None:
        groups = np.repeat(np.arange(20), 60)
        equal = np.zeros(1200)
        gain = equal.copy()
        gain[0] = 0.001
        assert grouped_p(equal, groups, -0.02, worst=-1.0) == 1.0
        assert grouped_p(gain, groups, -0.02, worst=-1.0) == pytest.approx(0.98**20, rel=1e-4)

    def test_unequal_groups_count_by_their_weight(self) -> None:
        sizes = np.array([91] * 16 + [1] * 144)
        groups = np.repeat(np.arange(160), sizes)
        gain = np.zeros(len(groups))
        gain[-1] = 1.0
        effective = sizes.sum() ** 2 / (sizes**2).sum()
        assert effective < 20
        mean = 1 / len(groups)
        unseen = (mean + 0.02) / (mean + 1)
        assert grouped_p(gain, groups, -0.02, worst=-1.0) >= (1 - unseen) ** effective


class TestMonotone:
    """A p-value that falls as the margin grows bounds the score at every margin at once."""

    MARGINS = np.linspace(-0.3, 0.9, 61)

    def falls(self, p_values: list[float]) -> bool:
        return bool((np.diff(p_values) <= 1e-9).all())

    @pytest.mark.parametrize("n", [20, 400, 1200])
    def test_paired(self, n: int) -> None:
        rng = np.random.default_rng(n)
        pairs = [(0, 0), (1, 0), (0, 1), (n // 2, n // 2), *rng.integers(0, n // 2, (40, 2))]
        for b, c in pairs:
            assert self.falls([paired_counts_p(int(b), int(c), n, m) for m in self.MARGINS])

    @pytest.mark.parametrize("right", [0, 1, 55, 100])
    def test_absolute(self, right: int) -> None:
        scores = np.r_[np.ones(right), np.zeros(100 - right)]
        assert self.falls([absolute_score_p(scores, 0.8 - m) for m in self.MARGINS])

    @pytest.mark.parametrize("shift", [-0.1, 0.0, 0.05])
    def test_means_and_groups(self, shift: float) -> None:
        rng = np.random.default_rng(3)
        scores = np.where(rng.random(300) < 0.2, rng.uniform(-1, 1, 300), 0.0) + shift
        groups = rng.integers(0, 40, 300)
        assert self.falls([mean_p(scores, -m) for m in self.MARGINS])
        assert self.falls([grouped_p(scores, groups, -m, worst=-1.0) for m in self.MARGINS])
        equal = np.ones(300)
        assert self.falls([paired_mean_p(equal, equal, m) for m in self.MARGINS])


class TestMean:
    def test_close_to_students_t_for_normal_differences(self) -> None:
        differences = np.random.default_rng(1).normal(0.01, 0.2, 500)
        student = stats.ttest_1samp(differences, -0.02, alternative="greater").pvalue
        assert mean_p(differences, -0.02) == pytest.approx(student, abs=0.01)

    def test_equal_differences_certify_nothing(self) -> None:
        assert mean_p(np.zeros(100), -0.02) == 1.0

    def test_size_at_the_limit(self) -> None:
        rng = np.random.default_rng(2)
        # F1 of an answer: mostly equal, now and then far apart.
        n, draws = 200, 150
        p_values = []
        for _ in range(draws):
            differs = rng.random(n) < 0.15
            differences = np.where(differs, rng.uniform(-1, 1, n), 0.0) - 0.02
            p_values.append(mean_p(differences, -0.02))
        assert np.mean(np.array(p_values) <= 0.05) <= 0.10
