"""The scatter: deterministic, every point an element of its own, nothing loaded from elsewhere."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import candidates
from deft_sweeps.metrics import METRICS
from deft_sweeps.report.front_figure import Plane, scatter
from deft_sweeps.report.point_element import point_id
from deft_sweeps.report.svg import INK, inline
from deft_sweeps.result import CompleteTrial, TrialResult, complete_trials
from tests.drawn_spots import spots
from tests.made_sweep import sweep_results, sweep_spec
from tests.samples import point, result

RESULTS = sweep_results()
SPEC = sweep_spec()


def drawn(results: tuple[TrialResult, ...]) -> str:
    return scatter(Findings.of(SPEC, results))


def test_every_measured_point_is_one_element_that_says_what_it_is() -> None:
    positions = spots(drawn(RESULTS))
    members = candidates(RESULTS)
    assert sorted(positions) == sorted(point_id(m.result.trial_id, m.point.at) for m in members)
    for member in members:
        position = positions[point_id(member.result.trial_id, member.point.at)]
        assert f"score {member.values['score']:.3f}" in position["aria-label"]
        assert position["tabindex"] == "0"


def test_elements_stand_where_their_values_put_them() -> None:
    positions = spots(drawn(RESULTS))
    at = {m.name: positions[point_id(m.result.trial_id, m.point.at)] for m in candidates(RESULTS)}
    members = candidates(RESULTS)
    for a, b in pairwise(members):
        for metric, axis, sign in (("activation_density", "x", 1), ("score", "y", -1)):
            difference = a.values[metric] - b.values[metric]
            if abs(difference) > 1e-9:
                assert (float(at[a.name][axis]) - float(at[b.name][axis])) * difference * sign > 0


def test_the_same_results_give_the_same_text() -> None:
    assert drawn(RESULTS) == drawn(RESULTS)
    assert not re.search(r"20\d\d-\d\d-\d\d", drawn(RESULTS))


def test_the_front_the_baseline_curve_and_the_choice_are_named() -> None:
    texts = "".join(ET.fromstring(drawn(RESULTS)).itertext())
    for name in (
        "front, ± 1 standard error",
        "best of all plain PEFT, thresholded",
        "chosen",
        "accuracy on validation examples",
        "activation density",
    ):
        assert name in texts


def test_the_dashed_line_is_the_best_of_all_plain_points_and_not_of_one_trial() -> None:
    """`relu` scores lower than the baseline, and at equal density above it once thresholded."""
    base = result(point(0.0, 0.80, 0.9), point(0.5, 0.60, 0.3), learning_rate=1e-3)
    relu = result(point(0.0, 0.78, 0.4), point(0.5, 0.70, 0.2), learning_rate=2e-3)
    deft = result(point(0.5, 0.79, 0.1), weight=1.0)
    svg = drawn((base, relu, deft))
    paths = (e.attrib for e in ET.fromstring(svg).iter() if {"clip-path", "style"} <= set(e.attrib))
    (path,) = (
        a["d"] for a in paths if "stroke-dasharray" in a["style"] and "#e69f00" in a["style"]
    )
    corners = [tuple(map(float, pair)) for pair in re.findall(r"[ML] (\S+) (\S+)", path)]
    at = {name: (float(spot["x"]), float(spot["y"])) for name, spot in spots(svg).items()}
    order = [(relu, "0.5"), (relu, "0"), (base, "0")]
    expected = [at[point_id(trial.trial_id, threshold)] for trial, threshold in order]
    assert corners[0::2] == [pytest.approx(corner, abs=0.01) for corner in expected]


def test_odd_sweeps_can_be_drawn() -> None:
    nothing = drawn((result(),))
    assert spots(nothing) == {}
    zero = result(point(0.0, 0.8, 0.5), point(0.2, 0.7, 0.0))
    assert len(spots(drawn((zero,)))) == 2
    mathy = replace(point(), score=replace(point().score, metric="$\\frac{a<b$"))
    assert "$\\frac{a<b$" in "".join(ET.fromstring(drawn((result(mathy),))).itertext())


@pytest.mark.parametrize("x", METRICS)
@pytest.mark.parametrize("y", ["score", "latency_sec", "loss"])
def test_any_metric_can_be_an_axis(x: str, y: str) -> None:
    """Each point stands where its two values put it, and the line is the best of the plane."""
    if x == y:
        return
    results = [costing(trial, i) for i, trial in enumerate(complete_trials(RESULTS))]
    findings = Findings(results, (y, x))
    svg = scatter(findings)
    plane = Plane.of((y, x))
    assert {plane.x.name, plane.y.name} == {x, y}
    shown = [m for m in findings.points if plane.holds(m)]
    at = spots(svg)
    assert len(at) == len(shown)
    for metric, axis, sign in ((plane.x, "x", 1), (plane.y, "y", -1)):
        for a, b in pairwise(shown):
            difference = a.values[metric.name] - b.values[metric.name]
            places = [float(at[point_id(m.result.trial_id, m.point.at)][axis]) for m in (a, b)]
            if abs(places[0] - places[1]) > 0.01:
                assert (places[0] - places[1]) * difference * sign > 0
        assert f"({metric.better} is better)" in "".join(ET.fromstring(svg).itertext())


def test_the_plane_puts_what_should_rise_upwards_and_its_line_follows_the_directions() -> None:
    assert Plane.of(("activation_density", "score")) == Plane.of(("score", "activation_density"))
    plane = Plane.of(("latency_sec", "weight_bytes", "score"))
    assert (plane.y.name, plane.x.name) == ("latency_sec", "weight_bytes")
    members = candidates([costing(trial, i) for i, trial in enumerate(complete_trials(RESULTS))])
    points = list(zip(*plane.points(members), strict=True))
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert plane.stairs(members) == sorted(best)
    assert plane.step == "steps-post"


def costing(trial: CompleteTrial, i: int) -> CompleteTrial:
    """The trial with costs that differ from the others'."""
    assert trial.cost is not None
    cost = replace(
        trial.cost,
        weight_bytes=10_000_000 * (i + 1),
        latency_sec=0.05 / (i + 1),
        peak_memory_bytes=500_000_000 + 7_000_000 * i**2,
        trainable_parameters=1000 * (i + 3),
    )
    return replace(trial, cost=cost)


def test_inline_takes_the_pages_ink_and_names_no_address() -> None:
    svg = inline(drawn(RESULTS))
    assert "http" not in svg
    assert INK not in svg
    assert "currentColor" in svg
    assert "#ffffff" not in svg
