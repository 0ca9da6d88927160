"""The sweep's folder: what is written is read back whole, or named when it cannot be."""

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.result import StepMetrics
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.database import connect
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from tests.made_sweep import sweep_finals, sweep_results
from tests.samples import point, result


def test_results_come_back_in_the_order_they_finished(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    assert sweep.results() == ()
    made = sweep_results()
    for one in reversed(made):
        sweep.write(one)
    assert {one.trial_id: one for one in sweep.results()} == {one.trial_id: one for one in made}
    finished = [one.finished_at for one in sweep.results()]
    assert finished == sorted(finished)
    assert sweep.trial_ids() == tuple(sorted(one.trial_id for one in made))


def test_the_same_trial_overwrites(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.write(result())
    sweep.write(result(point()))
    (stored,) = sweep.results()
    assert stored == result(point())
    assert sweep.result(stored.trial_id) == stored


@pytest.mark.parametrize("text", [b"", b"{", b'{"schema_version": 99}', b"\x00\xff"])
def test_an_unreadable_result_is_named(tmp_path: Path, text: bytes) -> None:
    sweep = SweepDir(tmp_path)
    sweep.write(result())
    write_atomically(sweep.result_path("0123456789ab-s0"), text)
    with pytest.raises(StoreError, match=r"0123456789ab-s0\.json"):
        sweep.results()


def test_why_a_file_is_unreadable_is_one_line_with_its_mending(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    reasons = {
        b'{"seed": "x", "status": "failed"}': "failed.config: Field required",
        b'{"seed": "x", "status": 3}': (
            "Input tag '3' found using 'status' does not match any of the expected tags:"
            " 'complete', 'failed', 'stopped'"
        ),
    }
    for text, reason in reasons.items():
        write_atomically(sweep.result_path("0123456789ab-s0"), text)
        with pytest.raises(StoreError) as raised:
            sweep.results()
        path = sweep.result_path("0123456789ab-s0")
        assert (
            str(raised.value) == f"{path}: cannot be read as a trial's result: {reason} "
            f"(move the file away, then `deft-sweeps run {tmp_path} --resume` runs another trial)"
        )
    write_atomically(sweep.final_record().path("chosen"), b"{")
    with pytest.raises(
        StoreError,
        match=(
            r"chosen\.json: cannot be read as a final measurement: Invalid JSON.* --resume` makes"
            r" it again\)$"
        ),
    ):
        sweep.finals()
    newer = result().to_json().replace(b'"schema_version": 1', b'"schema_version": 99')
    write_atomically(sweep.result_path("0123456789ab-s0"), newer)
    with pytest.raises(StoreError, match=r"newer than 1, which this version reads$"):
        sweep.results()


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere-s0"):
        SweepDir(tmp_path).result("nowhere-s0")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_warning_of_a_write_that_fails_names_no_random_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Without inodes every try fails, and its warning is told once, if it is one sentence."""

    def full(name: Path | str, *rest: object) -> None:
        raise OSError(28, "No space left on device", str(name), None, *map(str, rest[:1]))

    path = tmp_path / "a.json"
    with monkeypatch.context() as disk:
        disk.setattr(*((os, "open", full) if step == "open" else (Path, "replace", full)))
        messages = set()
        for _ in range(3):
            with pytest.raises(OSError, match="No space left") as raised:
                write_atomically(path, b"x")
            messages.add(str(raised.value))
    assert messages == {f"[Errno 28] No space left on device: '{path}'"}
    assert not list(tmp_path.iterdir())


def test_a_half_written_file_of_a_crash_is_not_read(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.write(result())
    (tmp_path / "results" / ".half-0123456789ab-s0.json.abc").write_bytes(b"{")
    assert len(sweep.results()) == 1


def test_finals_come_back_chosen_first(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    finals = sweep_finals()
    for final in reversed(finals):
        sweep.final_record().write(final)
    assert sweep.finals() == finals
    write_atomically(sweep.final_record().path("twin"), b"{")
    with pytest.raises(StoreError, match=r"twin\.json"):
        sweep.finals()


def test_steps_told_again_replace_those_told_before(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    assert sweep.steps("t-s0") == ()
    first, second, again = (
        StepMetrics(step=step, task_loss=loss, density_loss=0.5, grad_norm=1.0, learning_rate=1e-3)
        for step, loss in ((1, 0.9), (2, 0.8), (2, 0.7))
    )
    sweep.add_steps("t-s0", [first, second])
    sweep.add_steps("t-s0", [again])
    with sweep.steps_path("t-s0").open("a") as file:
        file.write('{"step": 3, "task_')
    assert sweep.steps("t-s0") == (first, again)


def test_the_note_is_read_back(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    assert sweep.note() is None
    note = DriverNote(
        pid=1,
        started_at=1.0,
        beat_at=2.0,
        n_budget=3,
        running=("a-s0",),
        state="searching",
        left_sec=None,
    )
    sweep.write_note(note)
    assert sweep.note() == note
    (tmp_path / "driver.json").write_bytes(b"")  # What a loss of power may leave.
    assert sweep.note() is None


def test_only_a_folder_with_a_spec_is_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no spec\.yaml"):
        SweepDir(tmp_path).require()
    SweepDir(tmp_path).spec_path.write_text("name: x\n")
    assert SweepDir(tmp_path).require() == SweepDir(tmp_path)


def test_a_second_driver_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = textwrap.dedent("""
        import sys, pathlib
        from deft_sweeps.store.sweep_dir import SweepDir
        with SweepDir(pathlib.Path(sys.argv[1])).lock():
            print("held", flush=True)
            sys.stdin.read()
        """)
    sweep = SweepDir(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(StoreError, match="in use by another driver"), sweep.lock():
            pass
        other.kill()
        other.wait()
        with sweep.lock():
            pass


def test_a_results_name_survives_a_loss_of_power_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []

    def fsync(handle: int) -> None:
        where = Path(f"/proc/self/fd/{handle}").resolve()
        synced.append(
            ("folder", sorted(path.name for path in where.iterdir()))
            if where.is_dir()
            else ("file", [])
        )

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "a.json", b"{}")
    assert synced == [("file", []), ("folder", ["a.json"])]


@pytest.fixture(params=[0o002, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_written_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    sweep = SweepDir(tmp_path / "sweep")
    sweep.write(result())
    sweep.add_steps("a-s0", ())
    connect(sweep.study_path).close()
    for path in (sweep.result_path(result().trial_id), sweep.steps_path("a-s0"), sweep.study_path):
        assert mode(path) == 0o666 & ~umask, path
        assert mode(path.parent) == 0o777 & ~umask, path.parent


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"tracking_uri: http://ann:hunter2@host:5000", True),
        (b"search: {storage: 'postgresql://ann:hunter2@host/db'}", True),
        (b"search: {storage: 'mysql://host/db?password=hunter2'}", True),
        (b"# HF_TOKEN=hunter2", True),
        (b"# AWS_SECRET_ACCESS_KEY=hunter2", True),
        (b"# SECRET_KEY: hunter2", True),
        (b"tracking_uri: http://host:5000", False),
        (b"name: caf\xe9", False),
    ],
)
def test_a_spec_with_a_secret_is_its_owners(
    tmp_path: Path, umask: int, line: bytes, secret: bool
) -> None:
    sweep = SweepDir(tmp_path)
    sweep.write_spec(line)
    assert sweep.spec_path.read_bytes() == line
    assert mode(sweep.spec_path) == (0o600 if secret else 0o666 & ~umask)


def test_a_spec_that_was_written_open_is_closed(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.protect_spec()  # There is none yet.
    for line, expected in ((b"name: x", 0o644), (b"tracking_uri: http://a:b@host", 0o600)):
        sweep.spec_path.write_bytes(line)
        sweep.spec_path.chmod(0o644)
        sweep.protect_spec()
        assert mode(sweep.spec_path) == expected
