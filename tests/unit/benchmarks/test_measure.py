import math

import pytest

from benchmarks.search.__main__ import TARGETS, table_lines, target_lines
from benchmarks.search.measure import Hit, Run, median, needed, ratio, used

INF = float("inf")


def runs(arm: str, trials: list[int | None], step: int = 10) -> list[Run]:
    made = []
    for seed, n in enumerate(trials):
        hit = Hit(trials=n, steps=None if n is None else n * step)
        length = n or 600
        made.append(
            Run(
                problem="bent",
                arm=arm,
                seed=seed,
                hits={"linear": hit, "log": hit},
                shares=(0.5,) * length,
                n_steps=length * step,
                cpu_sec=0.0,
            )
        )
    return made


def test_a_run_that_did_not_get_there_is_later_than_any_other() -> None:
    assert median([3, 1, INF, 2, INF]).value == 3
    assert median([3, INF, INF, 2, INF]).value == INF
    estimate = median(list(range(1, 22)))
    assert estimate.value == 11
    assert 4 <= estimate.low < 11 < estimate.high <= 18


def test_beside_a_run_without_an_end_a_ratio_is_a_bound() -> None:
    plain = ratio([10.0] * 9, [40.0] * 9, [40.0] * 9)
    assert (plain.value, plain.low, plain.high, plain.at_most) == (0.25, 0.25, 0.25, False)
    bound = ratio([10.0] * 9, [INF] * 9, [600.0] * 9)
    assert bound.at_most
    assert bound.value == pytest.approx(10 / 600)
    assert ratio([INF] * 9, [40.0] * 9, [40.0] * 9).value == INF


def test_what_runs_needed_and_used() -> None:
    made = runs("tpe", [20, None])
    assert needed(made, "linear", "trials") == [20, INF]
    assert needed(made, "log", "steps") == [200, INF]
    assert used(made, "trials") == [20, 600]
    assert used(made, "steps") == [200, 6000]


def test_the_targets_are_judged_against_what_was_run() -> None:
    made = runs("random", [500] * 20) + runs("tpe", [150] * 20)
    made += runs("ours-front", [70, 80, 90] * 7) + runs("ours-front+halving", [400] * 20)
    lines = target_lines(made)
    assert len(lines) == len(TARGETS)
    verdicts = [line.rsplit(", ", 1)[1] for line in lines]
    assert verdicts == ["reached", "missed", "within noise", "reached", "missed"]
    assert "best's (tpe)" in lines[3]
    assert all(line.endswith("not run") for line in target_lines(runs("tpe", [10] * 20)))


def test_the_table_has_a_row_a_searcher_and_says_who_never_got_there() -> None:
    made = runs("random", [500] * 20) + runs("gp", [None] * 20)
    head, random, gp = table_lines(made, ("random", "gp"))
    assert "trials to 95 %" in head
    assert "500 [500, 500]" in random
    assert "20/20" in random
    assert "- [-, -]" in gp
    assert "0/20" in gp
    assert "not run" in gp  # Beside TPE, which is not there.
    assert not math.isnan(median([INF, INF]).value)
