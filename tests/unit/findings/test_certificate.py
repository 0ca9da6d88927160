"""The chain of candidates and the walk along it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from deft_sweeps.config.axes import Nf4
from deft_sweeps.config.trial import codec
from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import FIRST_SHARE, STEP_SHARE, make_chain
from deft_sweeps.findings.certificate import walk
from deft_sweeps.findings.limit_p_value import Measured, SelectionSample, judge_limit
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.outcomes import ExampleScores, Outcomes
from deft_sweeps.report import verdict_text
from deft_sweeps.result import Chain, CompleteTrial, FinalMeasurement
from deft_sweeps.statistics.margin_p_value import fixed_sequence, paired_counts_p
from tests.made_chain import (
    DEFT,
    FEW,
    OBJECTIVES,
    PLAIN,
    POLICY,
    N,
    chain,
    measurement,
    scored,
    trial,
    walked,
)
from tests.made_sweep import cost
from tests.samples import point, result


class TestChain:
    def test_begins_with_the_baseline_and_goes_on_safest_first(self) -> None:
        made = chain(PLAIN, DEFT, FEW)
        names = [candidate.name for candidate in made.candidates]
        assert names[0] == made.baselines["peft"].name == f"{PLAIN.trial_id}@0"
        p_values = [candidate.p_validation for candidate in made.candidates[1:]]
        assert p_values == sorted(p_values)

    def test_every_step_gains_a_share_of_the_way_to_the_best_value(self) -> None:
        values = [candidate.value for candidate in chain(PLAIN, DEFT, FEW).candidates]
        shares = [(a - b) / a for a, b in pairwise(values)]
        assert shares[0] >= FIRST_SHARE
        assert all(share >= STEP_SHARE for share in shares[1:])

    def test_points_that_break_a_limit_on_validation_are_left_out(self) -> None:
        assert f"{PLAIN.trial_id}@0.5" not in {one.name for one in chain(PLAIN, DEFT).candidates}

    def test_proxies_say_nothing(self) -> None:
        policy = f"{POLICY} and latency_sec <= 0.001 ms"
        assert len(chain(PLAIN, DEFT, policy=policy).candidates) == len(
            chain(PLAIN, DEFT).candidates
        )

    def test_surely_is_every_limit_of_a_certificate(self) -> None:
        made = chain(PLAIN, DEFT, policy=str(POLICY).replace("where", "where surely"))
        assert made.limits == ("score >= baseline(peft) - 0.02",)

    def test_a_best_score_moves_by_shares_of_the_errors(self) -> None:
        better = trial((0.0, 0.85, 0.9), weight=3.0)
        made = chain(PLAIN, better, policy="best score where activation_density <= 95 %")
        assert [one.name for one in made.candidates] == [
            f"{PLAIN.trial_id}@0",
            f"{better.trial_id}@0",
        ]

    def test_each_look_halves_alpha(self) -> None:
        findings = Findings([PLAIN], OBJECTIVES, (), POLICY)
        made = make_chain(
            findings.pool, findings.baselines, POLICY, (), n_examples=N, alpha=0.05, n_looks=2
        )
        assert made.alpha == pytest.approx(0.0125)


class TestWalk:
    def test_asks_for_one_measurement_after_another(self) -> None:
        made = chain(PLAIN, DEFT)
        taken: list[FinalMeasurement] = []
        order = []
        while (missing := walked(made, taken).missing) is not None:
            order.append(missing.name)
            of = PLAIN if missing.trial_id == PLAIN.trial_id else DEFT
            taken.append(measurement(of, missing.threshold, 0.80))
        assert order == [candidate.name for candidate in made.candidates]
        assert len(walked(made, taken).certified) == len(order)

    def test_the_first_failure_ends_it(self) -> None:
        made = chain(PLAIN, DEFT)
        scores = [0.80, 0.74] + [0.80] * len(made.candidates)
        taken = [
            measurement(PLAIN if one.trial_id == PLAIN.trial_id else DEFT, one.threshold, score)
            for one, score in zip(made.candidates, scores, strict=False)
        ]
        certificate = walked(made, taken)
        assert [step.candidate for step in certificate.certified] == [made.candidates[0]]
        assert certificate.failed is not None
        assert certificate.failed.candidate == made.candidates[1]
        assert certificate.missing is None

    def test_a_latency_limit_is_judged_by_the_upper_bound(self) -> None:
        made = chain(PLAIN, policy=f"{POLICY} and latency_sec <= 50 ms")
        base = measurement(PLAIN, 0.0, 0.80)
        slow = replace(base, cost=replace(base.cost, latency_sec=0.04, latency_high_sec=0.06))
        quick = replace(base, cost=replace(base.cost, latency_sec=0.04, latency_high_sec=0.045))
        assert walked(made, [slow]).failed is not None
        assert walked(made, [quick]).certified

    def test_a_latency_limit_is_not_judged_by_a_proxy(self) -> None:
        made = chain(PLAIN, policy=f"{POLICY} and latency_sec <= 50 ms")
        base = measurement(PLAIN, 0.0, 0.80)
        proxy = replace(base.cost, label="proxy", latency_sec=0.04, latency_high_sec=0.045)
        failed = walked(made, [replace(base, cost=proxy)]).failed
        assert failed is not None
        assert [test.how for test in failed.tests if test.p == 1.0] == ["not measured"]


class TestVerdict:
    def answer(self, *trials: CompleteTrial, scores: dict[str, float]) -> Findings:
        made = chain(*trials)
        by_id = {one.trial_id: one for one in trials}
        taken = [
            measurement(by_id[one.trial_id], one.threshold, scores.get(one.name, 0.80))
            for one in made.candidates
        ]
        return Findings(trials, OBJECTIVES, (), POLICY, (), walked(made, taken))

    def test_ships_the_policys_best_of_the_certified(self) -> None:
        findings = self.answer(PLAIN, DEFT, scores={})
        assert findings.verdict.kind == "ship"
        assert findings.choice.member is not None
        assert findings.choice.member.name == f"{DEFT.trial_id}@0.5"
        assert verdict_text.headline(findings).startswith("SHIP: ")
        (limit,) = verdict_text.limits_told(findings)
        assert "0.020 inside it on 1200 selection examples" in limit
        sentence = verdict_text.certificate_told(findings)
        assert "are certified on 1200 selection examples" in sentence
        assert "in about 0.05 of them at most" in sentence
        assert "score test of the paired difference is approximate" in sentence

    def test_ships_the_baseline_where_nothing_else_passes(self) -> None:
        made = chain(PLAIN, DEFT)
        second = made.candidates[1].name
        findings = self.answer(PLAIN, DEFT, scores={second: 0.70})
        assert findings.verdict.kind == "baseline"
        assert verdict_text.headline(findings).startswith("SHIP THE BASELINE: ")
        assert f"{second} ended the walk" in verdict_text.certificate_told(findings)

    def test_nothing_meets_limits_that_the_baseline_breaks(self) -> None:
        policy = parse_policy("best activation_density where score >= 0.79")
        made = chain(PLAIN, DEFT, policy=str(policy))
        taken = [measurement(PLAIN, 0.0, 0.78)]
        findings = Findings((PLAIN, DEFT), OBJECTIVES, (), policy, (), walked(made, taken))
        assert findings.verdict.kind == "nothing"
        assert findings.choice.nearest_miss is not None
        text = verdict_text.headline(findings)
        assert text.startswith("NOTHING MEETS THE LIMITS: on 1200 selection examples")
        assert "`score >= 0.79`" in text

    def test_too_few_examples_leave_the_choice_to_validation(self) -> None:
        made = replace(chain(PLAIN, DEFT), n_examples=100)
        findings = Findings((PLAIN, DEFT), OBJECTIVES, (), POLICY, (), walk(made, {}))
        assert findings.verdict.kind == "not certified"
        assert "fewer than 149 certify nothing" in verdict_text.headline(findings)

    def test_another_limit_has_no_certificate(self) -> None:
        made = chain(PLAIN, DEFT)
        other = parse_policy("best activation_density where score >= baseline(peft) - 0.05")
        findings = Findings((PLAIN, DEFT), OBJECTIVES, (), other, (), walk(made, {}))
        assert findings.verdict.kind == "not certified"
        assert "read for other limits" in findings.verdict.why

    def test_a_trial_that_came_later_is_not_chosen(self) -> None:
        made = chain(PLAIN, DEFT)
        later = trial((0.0, 0.80, 0.01), weight=4.0)
        taken = [
            measurement(PLAIN if one.trial_id == PLAIN.trial_id else DEFT, one.threshold, 0.80)
            for one in made.candidates
        ]
        findings = Findings((PLAIN, DEFT, later), OBJECTIVES, (), POLICY, (), walked(made, taken))
        assert findings.choice.member is not None
        assert findings.choice.member.result is not later
        assert "1 trials ended after" in verdict_text.certificate_told(findings)

    def test_the_test_split_has_to_speak_against_a_certified_choice(self) -> None:
        certified = self.answer(PLAIN, DEFT, scores={})
        base = replace(measurement(PLAIN, 0.0, 0.80), role="baseline")
        for score, kind in ((0.77, "ship"), (0.70, "not confirmed")):
            chosen = replace(measurement(DEFT, 0.5, score), role="chosen")
            # Spread over the examples, so that the difference has an interval.
            mixed = np.array(chosen.point.example_scores.array())
            np.random.default_rng(0).shuffle(mixed)
            at = replace(chosen.point, example_scores=ExampleScores.of(list(mixed)))
            finals = (replace(chosen, point=at), base)
            findings = Findings(
                (PLAIN, DEFT), OBJECTIVES, (), POLICY, finals, certified.certificate
            )
            assert findings.verdict.kind == kind
            sentence = verdict_text.within_chance_told(findings)
            assert ("within chance" in sentence) == (kind == "ship")


class TestWhatIsTested:
    """Traps in which a certificate would be given to what was not tested."""

    def test_other_seeds_of_a_certified_configuration_have_none(self) -> None:
        made = chain(PLAIN, DEFT)
        taken = [
            measurement(PLAIN if one.trial_id == PLAIN.trial_id else DEFT, one.threshold, 0.80)
            for one in made.candidates
        ]
        others = [
            replace(DEFT, seed=seed, points=tuple(scored(at, 0.79, 400) for at in DEFT.points))
            for seed in (1, 2)
        ]
        trials = (PLAIN, DEFT, *others)
        findings = Findings(trials, OBJECTIVES, (), POLICY, (), walked(made, taken))
        assert findings.choice.member is not None
        assert findings.choice.member.result == DEFT
        assert findings.verdict.kind == "ship"

    def test_a_baseline_that_breaks_a_limit_is_no_first_candidate(self) -> None:
        made = chain(PLAIN, DEFT, policy="best score where activation_density <= 50 %")
        names = [one.name for one in made.candidates]
        assert names
        assert f"{PLAIN.trial_id}@0" not in names

    def test_the_named_baseline_leads(self) -> None:
        made = chain(PLAIN, DEFT, policy=str(POLICY).replace("(peft)", "(unquantized)"))
        assert made.candidates[0].name == made.baselines["unquantized"].name

    def test_a_quantized_sweep_is_certified_beside_its_own_plain_trial(self) -> None:
        trials = tuple(
            replace(one, config=replace(one.config, quantization=Nf4())) for one in (PLAIN, DEFT)
        )
        name = "peft, quantization: nf4"
        policy = str(POLICY).replace("peft", name)
        made = chain(*trials, policy=policy)
        assert "peft" not in made.baselines
        assert made.candidates[0].name == made.baselines[name].name
        read = codec(Chain).validate_json(codec(Chain).dump_json(made))
        assert read == made
        taken = [
            measurement(next(t for t in trials if t.trial_id == one.trial_id), one.threshold, 0.8)
            for one in made.candidates
        ]
        findings = Findings(trials, OBJECTIVES, (), parse_policy(policy), (), walked(read, taken))
        assert findings.verdict.kind == "ship"
        assert findings.choice.baseline is not None
        assert findings.choice.baseline.name == made.baselines[name].name

    def test_without_limits_there_is_nothing_to_certify(self) -> None:
        made = chain(PLAIN, DEFT, policy="knee")
        taken = [measurement(PLAIN, 0.0, 0.8)]
        findings = Findings(
            (PLAIN, DEFT), OBJECTIVES, (), parse_policy("knee"), (), walked(made, taken)
        )
        assert findings.verdict.kind == "not certified"
        assert findings.verdict.why.startswith("there is no limit to certify; state one")

    def test_exact_limits_are_walked_in_small_steps(self) -> None:
        made = chain(PLAIN, DEFT, policy="best activation_density where weight_bytes <= 1 GiB")
        densities = [one.value for one in made.candidates]
        assert densities == sorted(densities, reverse=True)
        assert len(densities) > 3

    def test_a_better_baseline_that_came_later_is_not_the_one_of_the_certificate(self) -> None:
        made = chain(PLAIN, DEFT)
        taken = [
            measurement(PLAIN if one.trial_id == PLAIN.trial_id else DEFT, one.threshold, 0.80)
            for one in made.candidates
        ]
        better = result(point(0.0, 0.86, 0.9, n=400), learning_rate=2e-3)
        findings = Findings((PLAIN, DEFT, better), OBJECTIVES, (), POLICY, (), walked(made, taken))
        assert findings.choice.baseline is not None
        assert findings.choice.baseline.result == PLAIN

    def test_a_margin_of_everything_is_no_error(self) -> None:
        policy = parse_policy("best activation_density where score >= baseline(peft) - 1")
        made = chain(PLAIN, DEFT, policy=str(policy))
        findings = Findings((PLAIN, DEFT), OBJECTIVES, (), policy, (), walk(made, {}))
        assert findings.verdict.kind == "not certified"

    def test_rare_classes_have_no_test_of_metrics_over_classes(self) -> None:
        outcomes = Outcomes.of([1.0, 0.0] * 200, [1.0, 0.0] * 200)
        at = point(0.0, 0.8, 0.5)
        candidate = replace(
            at,
            score=replace(at.score, metric="macro_f1", value=1.0),
            example_scores=ExampleScores(),
            outcomes=outcomes,
        )
        limit = parse_constraint("score >= 0.5")
        tests = [
            judge_limit(limit, Measured(candidate, cost()), {}, SelectionSample(NO_ROWS, fewest))
            for fewest in (9, 200)
        ]
        assert tests[0].how == "no test for this metric on these examples"
        assert tests[1].how != tests[0].how


NO_ROWS = np.zeros(0, dtype=np.int64)


class TestErrorRate:
    """Ten candidates exactly at the limit, correlated at .5: how often any is certified."""

    N_CANDIDATES, MARGIN, DISCORDANCE, DRAWS = 10, 0.02, 0.06, 5000

    def p_values(self, rng: np.random.Generator) -> np.ndarray:
        """P-values of fresh examples, shape (N_CANDIDATES,)."""
        low, high = (self.DISCORDANCE - self.MARGIN) / 2, (self.DISCORDANCE + self.MARGIN) / 2

        def differences(shape: tuple[int, ...]) -> np.ndarray:
            drawn = rng.random(shape, dtype=np.float32)
            return (drawn < low).astype(np.int8) - (drawn > 1 - high).astype(np.int8)

        shared = differences((1, N))
        copied = rng.random((self.N_CANDIDATES, N), dtype=np.float32) < np.sqrt(0.5)
        drawn = np.where(copied, shared, differences((self.N_CANDIDATES, N)))
        better, worse = (drawn > 0).sum(axis=1), (drawn < 0).sum(axis=1)
        pairs = zip(better, worse, strict=True)
        return np.array([paired_counts_p(int(b), int(c), N, self.MARGIN) for b, c in pairs])

    def test_the_walk_keeps_alpha_and_variants_do_not(self) -> None:
        rng = np.random.default_rng(0)
        walks = skips = looks = 0
        drawn = [self.p_values(rng) for _ in range(self.DRAWS)]
        for i, p_values in enumerate(drawn):
            walks += any(fixed_sequence(p_values, 0.05))
            skips += any(p <= 0.05 for p in p_values)
            four = [p_values, *(drawn[(i + k) % self.DRAWS] for k in (1, 2, 3))]
            looks += any(next(fixed_sequence(each, 0.05)) for each in four)
        assert walks / self.DRAWS <= 0.06
        assert skips / self.DRAWS > 0.15
        assert looks / self.DRAWS > 0.15


def test_limits_are_read_back_from_the_chain() -> None:
    made = chain(PLAIN, DEFT)
    assert [parse_constraint(text) for text in made.limits] == list(POLICY.where)
