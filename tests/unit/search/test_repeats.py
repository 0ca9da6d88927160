from collections import Counter
from dataclasses import replace

import numpy as np

from deft_sweeps.search.repeats import RepeatLimit, fresh_start
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.domain import Categorical, Float, Int
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.parameters import n_points, random_point, value_at
from tests.fakes import fake_spec, plain


def space(*domains: Categorical | Int | Float) -> SweepSpec:
    """Combination i has the learning rates, or the ranks, of domain i."""
    base = fake_spec()
    combinations = [
        Combination(
            c.label,
            {"peft.lora.r" if isinstance(domain, Int) else "training.learning_rate": domain},
            c.template,
        )
        for c, domain in zip(base.combinations, domains, strict=False)
    ]
    return replace(base, combinations=tuple(combinations))


def test_seeds_are_counted_by_configuration_whatever_they_are() -> None:
    config = fake_spec().config(plain(1e-3))
    taken = RepeatLimit([config.trial_id(0), config.trial_id(7)], repeats=3)
    assert (taken.next_seed(config, 0), taken.next_seed(config, 7)) == (1, 8)
    assert taken.may_run(config)
    taken.update([config.trial_id(7)])
    assert taken.may_run(config), "the same trial is not counted twice"
    taken.update([config.trial_id(1)])
    assert not taken.may_run(config)
    assert taken.may_run(fake_spec().config(plain(2e-3)))


def test_the_last_points_of_a_finite_space_are_found() -> None:
    spec = space(Int(1, 400), Categorical((1e-3, 2e-3)))
    last = {
        spec.config(replace_rank).config_id
        for replace_rank in (fresh_start(spec, lambda _: True, (s,)) for s in (1, 2))
        if replace_rank
    }
    starts = {
        spec.config(start).config_id
        for s in range(20)
        if (start := fresh_start(spec, lambda c: c.config_id in last, (s,))) is not None
    }
    assert starts == last
    assert fresh_start(spec, lambda _: False, (0,)) is None


def test_a_space_with_a_real_number_is_never_used_up() -> None:
    spec = space(Categorical((1e-3,)), Float(1e-4, 1e-2, log=True))
    start = fresh_start(spec, lambda _: False, (0,))
    assert start is not None
    assert start.combination == spec.combinations[1].label


def test_draws_follow_their_seed_and_reach_every_value_alike() -> None:
    spec = space(Int(1, 4))
    assert fresh_start(spec, lambda _: True, (5, 2)) == fresh_start(spec, lambda _: True, (5, 2))
    starts = [fresh_start(spec, lambda _: True, (s,)) for s in range(400)]
    counts = Counter(start.values["peft.lora.r"] for start in starts if start)
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 60


def test_what_a_search_draws_itself_reaches_both_ends_of_a_range_as_often_as_its_middle() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(random_point(space(Int(1, 4)), rng).values["peft.lora.r"] for _ in range(2000))
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 420
    ends = [value_at(Int(2, 5, log=log), unit) for log in (False, True) for unit in (0.0, 1.0)]
    assert ends == [2, 5, 2, 5]


def test_a_range_of_billions_is_not_listed() -> None:
    spec = space(Int(1, 4 * 10**9))
    assert n_points(spec) == 4 * 10**9
    assert fresh_start(spec, lambda _: False, (0,)) is not None
