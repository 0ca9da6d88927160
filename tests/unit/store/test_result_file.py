"""Files in `results/`: only a trial's own counts, and a damaged one is named."""

from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.result import read_result
from deft_sweeps.store.result_file import is_result_name, stray_note
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import runner
from deft_sweeps.sweep.progress import Progress
from tests.fakes import fake_result, fake_spec, plain
from tests.samples import point, result

TRIAL = result().trial_id
COPIES = (
    f"{TRIAL} (1).json",
    f"{TRIAL} (conflicted copy 2026-11-27).json",
    f"{TRIAL}.sync-conflict-20261127-120000-ABCDEFG.json",
    f"{TRIAL}-LAPTOP.json",
    f"Copy of {TRIAL}.json",
)


class TestStrayCopyInResults:
    """A copy that a synchronisation conflict leaves is no trial, and counts nowhere."""

    @pytest.mark.parametrize("name", COPIES)
    def test_it_is_not_counted_or_read(self, tmp_path: Path, name: str) -> None:
        sweep = SweepDir(tmp_path)
        sweep.write(result())
        whole = sweep.result_path(TRIAL).read_bytes()
        for content in (whole, b"{"):
            (tmp_path / "results" / name).write_bytes(content)
            assert sweep.trial_ids() == (TRIAL,)
            assert [one.trial_id for one in sweep.results()] == [TRIAL]
            assert sweep.strays() == (name,)

    def test_a_folder_with_nothing_but_copies_has_no_results(self, tmp_path: Path) -> None:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / COPIES[0]).write_bytes(b"{}")
        assert not SweepDir(tmp_path).has_results()
        assert SweepDir(tmp_path).any_result() is None

    def test_the_budget_does_not_count_it_and_it_is_said_once(self, tmp_path: Path) -> None:
        spec, sweep = fake_spec(4), SweepDir(tmp_path)
        sweep.write(fake_result(spec.config(plain(1e-3)), 0))
        (path,) = (tmp_path / "results").iterdir()
        path.with_name(f"{path.stem} (1).json").write_bytes(path.read_bytes())
        shown: list[Progress] = []
        for _ in range(2):
            driver = runner._driver(
                spec, sweep, shown.append, resume=True, more=0, n_extra=0, phase=""
            )
            driver.beat(now=True)
            assert (len(driver.results), driver.target) == (1, 4)
            (message,) = driver.messages
            assert message == stray_note(sweep.strays())
            assert f"'{path.stem} (1).json', which no trial wrote" in message

    def test_every_trial_id_is_a_name(self) -> None:
        assert is_result_name(f"{TRIAL}.json")
        assert is_result_name(f"{result().config.trial_id(12345)}.json")


def changed(old: str, new: str) -> bytes:
    text = result(point()).to_json().decode()
    assert old in text
    return text.replace(old, new, 1).encode()


class TestNumbersBeyondAFloat:
    """Such a result is damaged, and named."""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"threshold": 0.0', '"threshold": 1e400'),
            ('"threshold": 0.0', f'"threshold": {10**400}'),
            ('"loss": ', '"loss": 1e400, "_": '),
            ('"n_examples": ', f'"n_examples": {10**400}, "_": '),
            ('"seed": 0', f'"seed": {10**400}'),
            ('"peak_memory_bytes": ', f'"peak_memory_bytes": {2**63}, "_": '),
            ('"finished_at": ', '"finished_at": 1e300, "_": '),
            ('"finished_at": ', '"finished_at": -5, "_": '),
        ],
    )
    def test_it_is_named(self, tmp_path: Path, old: str, new: str) -> None:
        sweep = SweepDir(tmp_path)
        sweep.write(result(point()))
        path = sweep.result_path(TRIAL)
        path.write_bytes(changed(old, new))
        with pytest.raises(StoreError, match=rf"{TRIAL}\.json: cannot be read as a trial's result"):
            sweep.results()


@pytest.mark.parametrize("version", [0, -5, -(2**70)])
def test_a_schema_version_that_never_was_is_refused_as_unknown(version: int) -> None:
    with pytest.raises(ValueError, match=f"schema version {version} is unknown; .* reads 1$"):
        read_result(changed('"schema_version": 1', f'"schema_version": {version}'))


def test_a_result_under_another_trials_name_is_named(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.write(result())
    sweep.result_path(TRIAL).rename(sweep.result_path("0123456789ab-s0"))
    with pytest.raises(StoreError) as raised:
        sweep.results()
    assert "0123456789ab-s0.json: cannot be read" in str(raised.value)
    assert f"it is that of the trial {TRIAL} (move the file away, then" in str(raised.value)


def samples() -> list[Any]:
    return [result(point()), fake_result(fake_spec().config(plain(1e-3)), 3)]


@pytest.mark.parametrize("one", samples(), ids=["complete", "fake"])
def test_a_real_result_is_read_back_equal(one: Any) -> None:
    assert read_result(one.to_json()) == one
