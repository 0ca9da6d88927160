"""Policies that came after the selection split was read."""

import numpy as np

from deft_sweeps.findings import Findings
from deft_sweeps.findings.certificate import Certificate, walk
from deft_sweeps.findings.simultaneous_bounds import (
    certificate_for,
    finalists,
    simultaneous_level,
)
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report import verdict_text
from deft_sweeps.statistics.margin_p_value import paired_counts_p
from tests.made_chain import (
    DEFT,
    OBJECTIVES,
    PLAIN,
    POLICY,
    chain,
    measurement,
    trial,
)


def walked_to(score: float = 0.80) -> Certificate:
    """The walk of POLICY; the last candidate scores `score`, the others as the baseline."""
    made = chain(PLAIN, DEFT)
    last = made.candidates[-1].name
    taken = {
        one.name: measurement(
            PLAIN if one.trial_id == PLAIN.trial_id else DEFT,
            one.threshold,
            score if one.name == last else 0.80,
        )
        for one in made.candidates
    }
    return walk(made, taken)


def answer(policy: str, score: float = 0.80) -> Findings:
    return Findings((PLAIN, DEFT), OBJECTIVES, (), parse_policy(policy), (), walked_to(score))


class TestLevel:
    def test_it_counts_finalists_and_references_that_were_fixed_before(self) -> None:
        made = chain(PLAIN, DEFT)
        names = {one.name for one in (*made.candidates, *made.baselines.values())}
        references = {one.name for one in made.baselines.values()}
        assert len(finalists(made)) == len(names)
        assert simultaneous_level(made) == made.alpha / (len(names) * (len(references) + 1))

    def test_it_does_not_depend_on_how_many_were_measured(self) -> None:
        made = chain(PLAIN, DEFT)
        wider = (parse_constraint("score >= baseline(peft) - 0.05"),)
        one = walk(made, {f"{PLAIN.trial_id}@0": measurement(PLAIN, 0.0, 0.80)})
        assert certificate_for(one, wider).level == certificate_for(walked_to(), wider).level


class TestAnswer:
    def test_the_chains_own_limits_keep_the_stronger_answer(self) -> None:
        whole = walked_to()
        assert certificate_for(whole, POLICY.where) is whole
        assert answer(str(POLICY)).verdict.step == whole.certified[-1]

    def test_a_wider_margin_is_certified_by_simultaneous_bounds(self) -> None:
        findings = answer(str(POLICY).replace("0.02", "0.03"))
        assert findings.verdict.kind == "ship"
        assert findings.verdict.step is not None
        assert findings.verdict.step.n_finalists == len(finalists(walked_to().chain))
        assert "certified by simultaneous bounds over" in verdict_text.headline(findings)
        sentences = verdict_text.certificate_told(findings)
        assert "finalists are certified by simultaneous bounds" in sentences

    def test_a_candidate_that_ended_the_walk_may_keep_a_wider_margin(self) -> None:
        last = walked_to(0.77).chain.candidates[-1]
        assert walked_to(0.77).failed is not None
        member = answer(str(POLICY).replace("0.02", "0.06"), 0.77).choice.member
        assert member is not None
        assert member.name == last.name

    def test_what_no_finalist_keeps_is_chosen_on_validation_and_not_certified(self) -> None:
        findings = answer("best activation_density where score >= 0.785")
        assert findings.verdict.kind == "not certified"
        assert "by simultaneous bounds over" in findings.verdict.why
        assert findings.choice.member is not None

    def test_trials_that_came_later_are_no_finalists(self) -> None:
        later = trial((0.0, 0.80, 0.01), weight=4.0)
        policy = parse_policy(str(POLICY).replace("0.02", "0.03"))
        findings = Findings((PLAIN, DEFT, later), OBJECTIVES, (), policy, (), walked_to())
        assert findings.verdict.kind == "ship"
        assert findings.choice.member is not None
        assert findings.choice.member.result is not later

    def test_a_baseline_that_was_not_measured_is_named(self) -> None:
        findings = answer("best activation_density where score >= baseline(dense) - 0.03")
        step = findings.verdict.step
        if step is None:
            assert "baseline(dense) was not measured" in findings.verdict.why
        else:
            assert findings.certificate is not None
            dense = findings.certificate.chain.baselines["dense"]
            assert dense.name in findings.certificate.measurements

    def test_a_score_from_above_is_not_bounded(self) -> None:
        findings = answer("best activation_density where score <= 0.99")
        assert findings.verdict.kind == "not certified"


class TestAdversary:
    """Looks at every result, then names the finalist and the limit of its liking.

    By the monotone p-value it succeeds if, at some finalist and reference, the limit that is the
    truth itself is certified.
    """

    N_FINALISTS, N, DISCORDANCE, DRAWS = 8, 1200, 0.06, 4000

    def smallest_p(self, rng: np.random.Generator) -> float:
        """Over the finalists, beside a baseline and absolute; finalists share examples."""
        difficulty = rng.random(self.N, dtype=np.float32)
        base = difficulty < 0.8
        smallest = 1.0
        for _ in range(self.N_FINALISTS):
            redrawn = rng.random(self.N, dtype=np.float32) < self.DISCORDANCE / 0.32
            right = np.where(redrawn, rng.random(self.N, dtype=np.float32) < 0.8, base)
            better, worse = int((right & ~base).sum()), int((base & ~right).sum())
            # The truth: no loss beside the baseline, and a share of 0.8.
            smallest = min(smallest, paired_counts_p(better, worse, self.N, 0.0))
            smallest = min(smallest, self.binomial_tail[int(right.sum())])
        return smallest

    def test_a_later_limit_is_broken_in_at_most_alpha_of_draws(self) -> None:
        from scipy import stats

        self.binomial_tail = stats.binom.sf(np.arange(self.N + 1) - 1, self.N, 0.8)
        rng = np.random.default_rng(0)
        smallest = np.array([self.smallest_p(rng) for _ in range(self.DRAWS)])
        level = 0.05 / (self.N_FINALISTS * 2)
        assert np.mean(smallest <= level) <= 0.05 + 0.01
        assert np.mean(smallest <= 0.05) > 0.15  # Without the correction.
