"""The record of what is running: written before a trial runs, and read whatever was done to it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study import pending
from deft_sweeps.study.pending import PendingTrials, read_pending
from tests.fakes import fake_result, fake_spec, plain
from tests.played_search import play, states, trial_of


def spec_of(trials: int = 6) -> SweepSpec:
    return fake_spec(trials, search=Search(sampler="random", startup=4, seed=3))


def test_a_trial_is_in_the_record_before_it_runs_and_until_its_result_is_stored(
    tmp_path: Path,
) -> None:
    spec, sweep = spec_of(), SweepDir(tmp_path)
    searcher = StudySearcher(spec, sweep, target=6, first=(plain(1e-3),))
    config, seed = trial_of(searcher.suggest("a"))
    (row,) = json.loads(sweep.pending_path.read_bytes())["running"]
    assert (row["number"], row["trial_id"], row["origin"]) == (0, config.trial_id(seed), "first")
    assert row["parameters"]["values"] == {"training.learning_rate": 1e-3}
    searcher.on_trial_complete("a", {"result": fake_result(config, seed).to_json().decode()})
    assert json.loads(sweep.pending_path.read_bytes())["running"] == []
    assert sweep.result(config.trial_id(seed)).number == 0


def test_a_proposal_that_cannot_be_recorded_does_not_run_and_is_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[str] = []
    sweep = SweepDir(tmp_path)
    searcher = StudySearcher(spec_of(), sweep, target=3, on_trouble=troubles.append)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(pending, "write_atomically", full)
        assert searcher.suggest("a") is None
        assert searcher.suggest("a") is None
        assert searcher.running == ()
    assert "a proposal cannot be recorded, waiting: OSError: [Errno 28]" in troubles[0]
    wanted = searcher.study.trials[-1].user_attrs["trial_id"]
    config, seed = trial_of(searcher.suggest("b"))
    assert config.trial_id(seed) == wanted
    assert len(searcher.study.trials) == 1


def test_a_write_that_is_cut_short_leaves_the_record_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sweep = spec_of(), SweepDir(tmp_path)
    searcher = StudySearcher(spec, sweep, target=6)
    running = [trial_of(searcher.suggest(name)) for name in "ab"]

    def cut(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", cut)
        assert searcher.suggest("c") is None
    running.append(trial_of(searcher.suggest("c")))
    after = StudySearcher(spec, sweep, target=6)
    assert [trial_of(after.suggest(name)) for name in "abc"] == running
    assert not list(sweep.root.glob(".pending.json*"))


@pytest.mark.parametrize("content", [b"", b"no JSON", b'{"running": [{}]}', b"[1]"])
def test_a_record_that_cannot_be_read_is_set_aside_and_said(tmp_path: Path, content: bytes) -> None:
    spec, sweep, troubles = spec_of(), SweepDir(tmp_path), list[str]()
    ids = play(before := StudySearcher(spec, sweep, target=6), 3)
    trial_of(before.suggest("t"))
    sweep.pending_path.write_bytes(content)
    after = StudySearcher(spec, sweep, target=6, on_trouble=troubles.append)
    assert set(states(after)) == set(ids)
    assert "pending.json cannot be read and was set aside" in troubles[0]
    assert (tmp_path / "pending.json.broken").read_bytes() == content
    assert len(play(after, 99)) == 3


def test_what_the_space_no_longer_gives_is_not_resumed(tmp_path: Path) -> None:
    """Fewer combinations, or another fixed setting under the same names."""
    spec, sweep = spec_of(), SweepDir(tmp_path)
    searcher = StudySearcher(spec, sweep, target=6, extra=(plain(5e-3), plain(6e-3)))
    trial_of(searcher.suggest("a"))
    assert len(read_pending(spec, sweep, ()).proposals) == 1
    longer = tuple(
        replace(c, template=replace(c.template, training=replace(c.template.training, steps=9)))
        for c in spec.combinations
    )
    assert read_pending(replace(spec, combinations=longer), sweep, ()).proposals == {}
    without_plain = replace(spec, combinations=spec.combinations[1:])
    record = read_pending(without_plain, sweep, ())
    assert (record.proposals, record.extra) == ({}, [])


def test_a_trial_with_a_result_is_not_resumed(tmp_path: Path) -> None:
    spec, sweep = spec_of(), SweepDir(tmp_path)
    config, seed = trial_of(StudySearcher(spec, sweep, target=6).suggest("a"))
    assert read_pending(spec, sweep, [config.trial_id(seed)]).proposals == {}


def test_a_result_keeps_its_number_when_others_are_gone(tmp_path: Path) -> None:
    """A sampler's draws follow from numbers: they stay, and a gap is filled."""
    spec, sweep = spec_of(), SweepDir(tmp_path)
    ids = play(StudySearcher(spec, sweep, target=6), 3)
    sweep.result_path(ids[1]).unlink()
    after = StudySearcher(spec, sweep, target=6)
    named = {t.number: t.user_attrs.get("trial_id") for t in after.study.trials}
    assert named == {0: ids[0], 1: None, 2: ids[2]}
    after.suggest("t")
    assert after.study.trials[-1].number == 3


def test_results_of_a_version_without_numbers_are_numbered_as_they_ended(tmp_path: Path) -> None:
    spec, sweep = spec_of(), SweepDir(tmp_path)
    ids = play(StudySearcher(spec, sweep, target=6), 3)
    sweep.pending_path.unlink()
    for trial_id in ids:
        sweep.write(replace(sweep.result(trial_id), number=None))
    after = StudySearcher(spec, sweep, target=6)
    assert [t.user_attrs["trial_id"] for t in after.study.trials] == ids


def test_a_record_in_memory_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PendingTrials(None, {}, []).write()
    assert list(tmp_path.iterdir()) == []
