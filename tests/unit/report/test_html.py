"""The page: what it says, that it stands alone, and that no name or error can break out of its
text.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deft_sweeps.findings import choose
from deft_sweeps.objective import parse_policy
from deft_sweeps.report.html import render
from deft_sweeps.result import FailedTrial, FinalMeasurement, TrialResult, complete_trials
from deft_sweeps.specification.combination import Excluded
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from tests.made_sweep import sweep_finals, sweep_results, sweep_spec
from tests.samples import complete, point, result

GOLDEN = Path(__file__).parents[2] / "golden" / "report.txt"
EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}</style>"


class Page(HTMLParser):
    """The page's elements and its text, without style, script and pictures."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.depth: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("style", "script", "svg"):
            self.depth.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.depth and self.depth[-1] == tag:
            self.depth.pop()

    def handle_data(self, data: str) -> None:
        if self.depth and self.depth[-1] == "script":
            self.scripts.append(data)
        if not self.depth and data.strip():
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return "\n".join(self.words) + "\n"


def made(
    folder: Path,
    results: Sequence[TrialResult],
    finals: Sequence[FinalMeasurement] = (),
    spec: SweepSpec | None = None,
    text: str = "name: quickstart\n",
) -> str:
    sweep = SweepDir(folder)
    for one in results:
        sweep.write(one)
    for final in finals:
        sweep.final_record().write(final)
    sweep.spec_path.write_text(text)
    return render(sweep, spec or sweep_spec())


def test_the_page_says_what_it_said_before(tmp_path: Path) -> None:
    """`UPDATE_GOLDEN=1` writes the text anew; read the change before it is kept."""
    text = Page(made(tmp_path, sweep_results(), sweep_finals())).text
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_what_is_projected_is_named_and_nothing_else(tmp_path: Path) -> None:
    many = sweep_results()
    spent = [
        replace(r, points=tuple(replace(p, energy_ratio=0.5) for p in r.points))
        for r in complete_trials(many)
    ]
    sweeps: dict[str, Sequence[TrialResult]] = {
        "only what more trials would add to the hypervolume is projected": many,
        "only the energy ratio and what more trials would add to the hypervolume are projected": (
            spent
        ),
        "only the energy ratio is projected": spent[:2],
        "nothing here is projected": many[:2],
    }
    for number, (sentence, results) in enumerate(sweeps.items()):
        text = Page(made(tmp_path / str(number), results)).text
        assert sentence in text
        assert ("summed layer by layer" in text) == ("energy ratio" in sentence)
        assert ("Projected: " in text) == ("more trials" in sentence)


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    first = made(tmp_path, sweep_results(), sweep_finals())
    assert render(SweepDir(tmp_path), sweep_spec()) == first


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    html = made(tmp_path, sweep_results(), sweep_finals())
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", html)
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed")
        assert not attrs.get("src")
        assert (attrs.get("href") or "#").startswith("#")


def test_points_and_rows_meet(tmp_path: Path) -> None:
    page = Page(made(tmp_path, sweep_results(), sweep_finals()))
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids)) or _only_shapes_repeat(ids)
    points = json.loads(page.scripts[0])
    assert len(points) == 40
    assert set(points) <= set(ids)
    assert {attrs["data-point"] for _, attrs in page.tags if "data-point" in attrs} <= set(ids)
    card = next(iter(points.values()))
    assert {"threshold", "activation density", "training.learning_rate", "peft.kind"} <= {
        name for name, _ in card["rows"]
    }


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    results = list(sweep_results())
    results[1] = replace(results[1], config=replace(results[1].config, model=EVIL))
    failed = results[8]
    assert isinstance(failed, FailedTrial)
    results[8] = replace(failed, error=EVIL)
    third = complete(results[2])
    odd = replace(third.points[1], score=replace(third.points[1].score, metric=EVIL))
    results[2] = replace(third, points=(third.points[0], odd))
    first = complete(results[0])
    assert first.provenance is not None
    provenance = replace(first.provenance, device=EVIL, packages={EVIL: EVIL})
    results[0] = replace(first, provenance=provenance)
    spec = replace(sweep_spec(EVIL), excluded=(Excluded(EVIL, EVIL),))
    html = made(tmp_path, results, spec=spec, text=EVIL)
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 2
    assert tags.count("style") == 1 + sum(tag == "style" for tag in tags[tags.index("svg") :])
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "{{ 7 * 7 }}" in page.text
    assert page.text.count("<script>alert('x')</script>") >= 5
    assert any(
        "alert('x')" in name or "alert" in json.dumps(card)
        for name, card in json.loads(page.scripts[0]).items()
    )


def test_the_page_is_for_handing_on_so_it_holds_no_password(tmp_path: Path) -> None:
    address = "tracking_uri: mlflow://ann:hunter2@tracker/\n"
    failed = sweep_results()[8]
    assert isinstance(failed, FailedTrial)
    broken = replace(failed, error=address)
    html = made(tmp_path, [*sweep_results()[:3], broken], text=address)
    assert "hunter2" not in html
    assert html.count("***@tracker") == 2


def test_measurements_of_another_choice_are_not_passed_off_as_this_ones(tmp_path: Path) -> None:
    spec = replace(sweep_spec(), choose=parse_policy("best score"))
    text = Page(made(tmp_path, sweep_results(), sweep_finals(), spec)).text
    assert "taken for another choice" in text
    assert "Not yet measured on the test split" in text
    assert "On 2000 test examples it scores" not in text


def test_without_test_measurements_the_page_says_so(tmp_path: Path) -> None:
    text = Page(made(tmp_path, sweep_results())).text
    assert "Not yet measured on the test split" in text
    assert "accuracy, validation" in text


@pytest.mark.parametrize(
    "results",
    [(), (result(),), (result(point(0.0, 0.55, 0.9)),)],
    ids=["none", "failed", "outside the limits"],
)
def test_a_sweep_without_a_front_still_has_its_page(
    tmp_path: Path, results: tuple[TrialResult, ...]
) -> None:
    text = Page(made(tmp_path, results)).text
    assert "NOTHING MEETS THE LIMITS" in text
    assert "Nothing can be chosen" in text


def test_gains_of_any_sign_are_counted(tmp_path: Path) -> None:
    text = Page(made(tmp_path, sweep_results())).text
    match = re.search(
        r"(\d+) of (\d+) DEFT points .* better in (\d+), worse in (\d+), and in (\d+) these",
        text,
    )
    assert match is not None
    compared, every, better, worse, neither = map(int, match.groups())
    assert better + worse + neither == compared <= every


def test_the_report_starts_without_the_heavy_libraries() -> None:
    heavy = ("torch", "ray", "transformers", "peft", "optuna", "mlflow", "datasets")
    code = f"import sys, deft_sweeps.report.html; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def _only_shapes_repeat(ids: list[str | None]) -> bool:
    """Marker shapes and clip paths are named by their content, so that equal names are equal
    shapes.
    """
    return all(re.fullmatch(r"[mpC][0-9a-f_]+", name or "") for name in ids if ids.count(name) > 1)


def test_a_chosen_percentile_is_told_as_one(tmp_path: Path) -> None:
    by_block = replace(
        point(0.25, score=0.79, density=0.1), percentile=0.9, block_thresholds=(0.1, 0.2, 0.3, 0.4)
    )
    text = Page(
        made(
            tmp_path,
            (result(point(0.0, 0.8, 0.5), by_block), result(point(0.0, 0.7, 0.6), weight=1.0)),
        )
    ).text
    assert "threshold p0.9" in text
    assert "each MLP block has a threshold of its own" in text
    assert (
        "each MLP block has a threshold of its own"
        not in Page(made(tmp_path / "other", sweep_results())).text
    )


def test_a_choice_that_the_test_split_contradicts_is_not_called_one_to_ship(tmp_path: Path) -> None:
    """-0.015 beside the baseline breaks `- 0.01`, and keeps `- 0.02` by its value alone."""
    policy = "best activation_density where {}score >= baseline(peft) - {}"
    expected = {
        policy.format("", 0.01): "NOT CONFIRMED ON TEST: ",
        policy.format("", 0.02): "CHOSEN, NOT CERTIFIED: ",
        "best activation_density where score >= 0.79 and score <= 0.8": "NOT CONFIRMED ON TEST: ",
    }
    for number, (text, begins) in enumerate(expected.items()):
        spec = replace(sweep_spec(), choose=parse_policy(text))
        results = sweep_results()
        member = choose(results, spec.objectives, spec.limits, spec.choose).member
        assert member is not None
        chosen, *others = sweep_finals()
        at = replace(chosen.point, threshold=member.point.threshold)
        chosen = replace(chosen, trial_id=member.result.trial_id, point=at)
        page = made(tmp_path / str(number), results, (chosen, *others), spec)
        (named,) = re.findall(r'<p class="name">(.*?)</p>', page)
        assert named.startswith(begins)
        assert 'class="answer none"' in page
        if begins != "CHOSEN, NOT CERTIFIED: ":
            assert "; the baseline scores 0.801 there (" in named


def test_a_policy_that_only_the_baseline_keeps_surely_ends_in_a_report_of_the_baseline(
    tmp_path: Path,
) -> None:
    """On few examples the interval of every other point reaches below the margin."""
    policy = parse_policy("best activation_density where surely score >= baseline(peft) - 0.02")
    spec = replace(sweep_spec(), choose=policy)
    plain = result(point(0.0, 0.8, 0.9), point(0.2, 0.6, 0.3))
    results = (plain, result(point(0.0, 0.79, 0.5), weight=1.0))
    chosen, *_ = sweep_finals()
    chosen = replace(chosen, trial_id=plain.trial_id, point=replace(chosen.point, threshold=0.0))
    text = Page(made(tmp_path, results, (chosen,), spec)).text
    assert "CHOSEN, NOT CERTIFIED: LoRA r8 on q v" in text
    assert "plain" in text.partition("CHOSEN, NOT CERTIFIED: ")[2].partition("\n")[0]
    assert "it is the only front point that keeps every limit" in text
    assert "On 2000 test examples it scores" in text
