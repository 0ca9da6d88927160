"""A sweep's folder whose files hold wrong values: each is named or set aside, never a traceback."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.cli.results import driver_state
from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.search.search_end import Spent, used_up
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.trial_goal import next_goal
from deft_sweeps.units import duration
from tests.fakes import fake_spec, plain
from tests.played_search import play, trial_of

SPEC = fake_spec(8, search=Search(sampler="tpe", startup=2, seed=3))
TOO_LARGE = "a number beyond a float"
WRONG: tuple[Any, ...] = (
    None,
    "x",
    "",
    True,
    -1,
    0,
    2**63,
    10**400,
    1.5,
    -1e308,
    float("nan"),
    float("-inf"),
    TOO_LARGE,
    [],
    [[]],
    {},
    {"x": 1},
)

Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    """Four results and two trials under way, one of them with a verdict, and a point that waits."""
    sweep = SweepDir(tmp_path_factory.mktemp("sweep"))
    extra = (plain(2e-3), plain(3e-3), plain(4e-3))
    play(StudySearcher(SPEC, sweep, target=8), 4)
    searcher = StudySearcher(SPEC, sweep, target=8, extra=extra)
    for name in "ab":
        trial_of(searcher.suggest(name))
    searcher._proposer._pending.decide(searcher.running[0].number, 5, True)
    return sweep


def leaves(document: Any, place: Place = ()) -> Iterator[Place]:
    """Every value in a JSON document, containers too."""
    if place:
        yield place
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(document, dict):
        parts = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    for name, part in parts:
        yield from leaves(part, (*place, name))


def mutations(document: Any, n: int) -> Iterator[tuple[Place, Any, bytes]]:
    """`n` documents with one wrong value each, spread over all places; then some that are cut."""
    rng = random.Random(0)
    places = list(leaves(document))
    for i in range(n):
        place, wrong = places[i % len(places)], rng.choice(WRONG)
        changed = json.loads(json.dumps(document))
        inner = changed
        for name in place[:-1]:
            inner = inner[name]
        if rng.random() < 0.1:
            del inner[place[-1]]
        else:
            inner[place[-1]] = wrong
        yield place, wrong, json.dumps(changed).replace(f'"{TOO_LARGE}"', "1e400").encode()
    text = json.dumps(document).encode()
    for i in range(5):
        yield (), "cut", text[: len(text) * i // 5]


def search_on(sweep: SweepDir) -> list[str]:
    """Takes the search up, and goes on with it; returns what was said."""
    troubles: list[str] = []
    searcher = StudySearcher(SPEC, sweep, target=99, on_trouble=troubles.append)
    for name in "abc":
        trial_of(searcher.suggest(name))
    return troubles


def copied(sweep: SweepDir, to: Path) -> SweepDir:
    for path in sweep.root.rglob("*.json"):
        copy = to / path.relative_to(sweep.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return SweepDir(to)


def test_any_wrong_value_in_a_result_is_read_as_it_is_or_the_file_is_named(
    real: SweepDir, tmp_path: Path
) -> None:
    sweep = copied(real, tmp_path)
    trial_id = sweep.trial_ids()[0]
    path = sweep.result_path(trial_id)
    whole, pending = path.read_bytes(), sweep.pending_path.read_bytes()
    named: list[bool] = []
    for place, wrong, text in mutations(json.loads(whole), 160):
        path.write_bytes(text)
        sweep.pending_path.write_bytes(pending)
        try:
            findings = Findings.of(SPEC, sweep.results())
            assert findings.choice.member is not None
            search_on(sweep)
        except StoreError as error:
            named.append(path.name in str(error))
        except Exception as error:
            raise AssertionError(f"{place} = {wrong!r}") from error
    assert len(named) > 100
    assert all(named)


def test_a_result_that_lacks_what_the_search_compares_by_is_named(
    real: SweepDir, tmp_path: Path
) -> None:
    sweep = copied(real, tmp_path)
    path = sweep.result_path(sweep.trial_ids()[0])
    threshold = f'"threshold": {SPEC.evaluation.objective_threshold}'
    assert threshold in path.read_text()
    path.write_text(path.read_text().replace(threshold, '"threshold": 0.02'))
    with pytest.raises(StoreError, match=f"{path.name}: not measured at the .* 0.01 .move the"):
        search_on(sweep)


def test_any_wrong_value_in_the_record_of_running_trials_is_set_aside_and_said(
    real: SweepDir, tmp_path: Path
) -> None:
    """Unknown parameters, NaN, negative and doubled numbers, texts for numbers, among others."""
    sweep = copied(real, tmp_path)
    whole = sweep.pending_path.read_bytes()
    document = json.loads(whole)
    for place, wrong, text in mutations(document, 100):
        # Without a checksum it is an earlier version's, as below.
        if place == ("sha256",) or text == json.dumps(document).encode():
            continue
        sweep.pending_path.write_bytes(text)
        try:
            (trouble,) = search_on(sweep)
        except Exception as error:
            raise AssertionError(f"{place} = {wrong!r}") from error
        assert "set aside as pending.json.broken" in trouble, (place, wrong)


def test_a_record_without_a_checksum_is_read_by_its_types_and_ranges(
    real: SweepDir, tmp_path: Path
) -> None:
    """Earlier versions wrote none."""
    sweep = copied(real, tmp_path)
    document = json.loads(sweep.pending_path.read_bytes())
    del document["sha256"]
    for row in document["running"]:
        row["sampler_attrs"] = {}  # What a sampler wrote there only the checksum vouches for.
    sweep.pending_path.write_text(json.dumps(document))
    assert search_on(sweep) == []
    doubled = document | {"running": [*document["running"], document["running"][0]]}
    unknown = json.loads(json.dumps(document))
    unknown["running"][0]["parameters"]["values"]["peft.nothing"] = 1
    negative = json.loads(json.dumps(document))
    negative["running"][0]["number"] = -1
    endless = document | {"next_number": 10**12}
    for damaged in (doubled, unknown, negative, endless):
        sweep.pending_path.write_text(json.dumps(damaged))
        (trouble,) = search_on(sweep)
        assert "pending.json" in trouble
    for place, wrong, text in mutations(document, 60):
        sweep.pending_path.write_bytes(text)
        try:
            search_on(sweep)
        except Exception as error:
            raise AssertionError(f"{place} = {wrong!r}") from error


def test_any_wrong_value_in_the_drivers_note_is_a_note_that_makes_sense_or_none(
    tmp_path: Path,
) -> None:
    sweep = SweepDir(tmp_path)
    note = DriverNote(7, 1e9, 1e9, 8, ("a-s0",), "searching", 5.0, 9.0, 4, (1.0, 2.0))
    sweep.write_note(note)
    path = tmp_path / "driver.json"
    for place, wrong, text in mutations(asdict(note), 200):
        path.write_bytes(text)
        try:
            read = sweep.note()
            goal = next_goal(8, 4, read, more=1, n_extra=0, trial_sec=1.0)
            assert 0 <= goal.target < 10**10
            assert driver_state(read)
            if read is not None:
                used_up(SPEC.budget, Spent(read.spent_sec, 0.0))
                duration(read.left_sec or 0.0)
        except Exception as error:
            raise AssertionError(f"{place} = {wrong!r}") from error


class TestDriverNote:
    """driver.json with NaN, or a folder."""

    @pytest.mark.parametrize("field", ["started_at", "beat_at", "left_sec", "spent_sec"])
    @pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
    def test_a_time_that_is_none_is_no_note(self, tmp_path: Path, field: str, wrong: float) -> None:
        sweep = SweepDir(tmp_path)
        note = asdict(DriverNote(7, 1e9, 1e9, 8, (), "searching", 5.0)) | {field: wrong}
        (tmp_path / "driver.json").write_text(json.dumps(note))
        assert sweep.note() is None

    def test_a_folder_in_its_place_is_set_aside(self, tmp_path: Path) -> None:
        sweep = SweepDir(tmp_path)
        (tmp_path / "driver.json" / "inside").mkdir(parents=True)
        assert sweep.note() is None
        note = DriverNote(7, 1e9, 1e9, 8, (), "searching", None)
        sweep.write_note(note)
        assert sweep.note() == note
        assert (tmp_path / "driver.json.broken" / "inside").is_dir()
