import io
from dataclasses import replace

from rich.console import Console

from deft_sweeps.objective import parse_constraint
from deft_sweeps.sweep.progress import (
    Ended,
    FrontRow,
    LineView,
    LiveView,
    Progress,
    ended,
    front_rows,
)
from tests import samples

OBJECTIVES = ("score", "activation_density")


def progress(
    n_done: int = 2, *, latest: Ended | None = None, messages: tuple[str, ...] = ()
) -> Progress:
    row = FrontRow("LoRA r8", "0.01", {"score": 0.8125, "activation_density": 0.25})
    return Progress(
        n_done,
        1,
        1,
        12,
        front=(row,),
        n_front=4,
        hypervolume=0.5,
        left_sec=100.0,
        latest=latest,
        messages=messages,
    )


def test_lines_are_one_a_trial_and_otherwise_one_in_thirty_seconds() -> None:
    now = 0.0
    out = io.StringIO()
    with LineView(out, clock=lambda: now) as view:
        trial = Ended("abc-s0", "LoRA r8", "score 0.800")
        for second in range(100):
            now = float(second)
            view(progress(latest=trial if second >= 5 else None))
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert (
        lines[0]
        == "[2/12 trials done, 1 running, 1 failed, about 2 min left] abc-s0 LoRA r8: score 0.800"
    )
    assert lines[1] == "  front: 4 points, hypervolume 0.5000: 0.812 @ 0.250"
    assert set(lines[2:]) == {"2/12 trials done, 1 running, 1 failed, about 2 min left"}


def test_a_warning_is_told_once() -> None:
    out = io.StringIO()
    view = LineView(out, clock=lambda: 0.0)
    for _ in range(3):
        view(progress(messages=("the tracker is down",)))
    assert out.getvalue() == "warning: the tracker is down\n"


def test_the_live_view_shows_counts_front_and_warnings() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, force_terminal=True, width=120, color_system=None)) as view:
        view(
            progress(
                latest=Ended("abc-s0", "[bold]LoRA r8", "score 0.800"),
                messages=("the tracker is down",),
            )
        )
    text = out.getvalue()
    for part in (
        "2/12 trials done",
        "4 points, hypervolume 0.5000",
        "0.812",
        "0.250",
        "the tracker is down",
        "[bold]LoRA r8",
    ):
        assert part in text


def test_an_ended_trial_says_its_numbers_or_why_it_failed() -> None:
    good = samples.result(samples.point(0.01, 0.8, 0.25))
    assert ended(good, 0.01, OBJECTIVES).outcome == "score 0.800, activation density 0.250"
    assert (
        ended(samples.result(), 0.01, OBJECTIVES).outcome == "failed: loss is not finite at step 3"
    )


def test_the_rows_shown_span_the_front() -> None:
    results = [
        samples.result(
            samples.point(0.0, 0.5 + 0.02 * i, 0.1 + 0.03 * i),
            weight=1.0,
            learning_rate=1e-4 * (i + 1),
        )
        for i in range(20)
    ]
    rows, n, volume = front_rows(results, OBJECTIVES, ())
    assert n == 20
    assert len(rows) == 6
    assert {row.values["score"] for row in (rows[0], rows[-1])} == {0.88, 0.5}
    assert 0 < volume < 1


def test_a_front_that_waits_for_its_baseline_is_shown_without_limits() -> None:
    results = [samples.result(samples.point(0.0, 0.8, 0.3), weight=1.0)]
    rows, n, _ = front_rows(
        results, OBJECTIVES, (parse_constraint("score >= baseline(peft) - 0.01"),)
    )
    assert (len(rows), n) == (1, 1)


def test_a_trial_that_waits_for_resources_is_no_running_one() -> None:
    assert progress().line.startswith("2/12 trials done, 1 running, 1 failed")
    waiting = replace(progress(), n_waiting=3)
    assert waiting.line.startswith("2/12 trials done, 1 running, 3 waiting for resources, 1 failed")
