"""What the command line prints, and where it cannot print: no sign steers a terminal, no traceback
is seen, and the exit code is right.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli import guard, show
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.report.terminal_text import printable, printable_json
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView, Progress
from tests.cli_call import call
from tests.mutated_text import mutations
from tests.samples import point, result

ROOT = Path(__file__).parents[3]
QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
SMALL = "name: x\nspace: {}\nbudget: {trials: 1}\n"
# Colour, a link (OSC 8), a C1 introducer, a sign of direction, a forged line, half a character.
HOSTILE = "\x1b[31m \x1b]8;;http://x\x07 \x9b2J \u202eabc\u2066 \nx.yaml: valid \udc80 \ufeff"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell's command line, in which `deft` is the program."""
    program = f'deft() {{ {sys.executable} -m deft_sweeps "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=600,
    )


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    """A sweep with one trial, and another whose error is hostile."""
    folder = SweepDir(tmp_path / "sweep")
    folder.root.mkdir()
    folder.spec_path.write_bytes(QUICKSTART.read_bytes())
    folder.write(result(point(0.0, 0.80, 0.6), point(0.01, 0.80, 0.5)))
    failed = replace(result(weight=2.0, finished_at=3.0), error=HOSTILE[:-8])
    folder.write(failed)
    return folder


class TestText:
    def test_one_line_stays_one_and_holds_no_steering_sign(self) -> None:
        cleaned = printable(HOSTILE)
        assert not STEERING.search(cleaned)
        assert "\n" not in cleaned
        assert r"\x1b[31m" in cleaned
        assert printable("naïve – 例 é 😀") == "naïve – 例 é 😀"

    def test_json_keeps_its_value(self) -> None:
        text = printable_json(json.dumps({HOSTILE: [HOSTILE]}, indent=1, ensure_ascii=False))
        assert not STEERING.search(text)
        assert json.loads(text) == {HOSTILE: [HOSTILE]}

    def test_every_way_to_print_cleans(self, capsys: pytest.CaptureFixture[str]) -> None:
        show.text(HOSTILE)
        show.table(ReportTable(HOSTILE, (">a", "b"), (Row((HOSTILE, HOSTILE)),), HOSTILE))
        show.as_json({HOSTILE: HOSTILE})
        guard.say(HOSTILE)
        with LineView(sys.stdout) as view:
            view(Progress(0, 0, 0, 1, messages=(HOSTILE,)))
        out, err = capsys.readouterr()
        assert not STEERING.search(out + err)
        assert not re.search("^x.yaml: valid", out + err, re.MULTILINE)


class TestSources:
    def test_a_spec(self, tmp_path: Path) -> None:
        file = tmp_path / "a\x1b[31m\nb.yaml"
        file.write_text(SMALL + 'model: "/none/\\e[31m\\u202e\\nx.yaml: valid"\n')
        done = call("validate", file)
        assert done.exit_code == 2
        assert not STEERING.search(done.output)
        assert r"no folder /none/\x1b[31m\u202e\nx.yaml: valid" in done.stderr

    def test_a_folder_of_a_sweep(self, sweep: SweepDir) -> None:
        state = DriverNote(1, 0.0, 1.0, 1, (), HOSTILE[:9], None)
        sweep.write_note(state)
        for command in ("status", "report", "choose"):
            for as_json in ((), ("--json",)):
                done = call(command, sweep.root, *as_json)
                assert not STEERING.search(done.output), command
        assert not STEERING.search(sweep.report_path.read_text("utf-8"))


class TestStreams:
    def test_stdout_that_takes_only_ascii(self, tmp_path: Path) -> None:
        spec = tmp_path / "é.yaml"
        spec.write_text(SMALL)
        done = shell(f"deft validate '{spec}'", PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert r"\xe9.yaml: valid" in done.stdout

    def test_a_reader_that_leaves(self) -> None:
        done = shell("deft validate --schema | head -1; exit ${PIPESTATUS[0]}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")

    def test_a_full_disk(self) -> None:
        done = shell("deft validate --schema > /dev/full")
        assert done.returncode == 1
        assert done.stderr == "cannot write the output: No space left on device\n"

    def test_closed_streams(self) -> None:
        done = shell("deft validate none.yaml 2>&-; echo $?; deft validate --schema >&-; echo $?")
        assert (done.stdout, done.stderr) == ("2\n0\n", "")

    def test_a_full_stderr(self) -> None:
        assert shell("deft validate none.yaml 2> /dev/full").returncode == 2


def ended(error: BaseException) -> tuple[int, str]:
    """Exit code and stderr of a command that ends in this error."""

    def command() -> None:
        raise error

    guarded: Callable[[], None] = guard.guarded(command)
    import typer

    of_one = typer.Typer(pretty_exceptions_enable=False)
    of_one.command()(guarded)
    done = CliRunner().invoke(of_one, [])
    return done.exit_code, done.stderr


class TestErrors:
    def test_what_nobody_foresaw_is_one_line_and_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        code, said = ended(KeyError("https://ann:hunter2@host/x"))
        (file,) = tmp_path.iterdir()
        assert code == 1
        assert said.count("\n") == 1
        assert said.startswith("KeyError: 'https://***@host/x' (nobody foresaw this error")
        assert str(file) in said
        assert "Traceback" in file.read_text()
        assert "hunter2" not in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600

    def test_where_no_file_can_be_written_the_traceback_is_shown(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
        code, said = ended(RecursionError("deep"))
        assert code == 1
        assert "Traceback" in said

    def test_an_interruption_and_a_closed_pipe(self) -> None:
        assert ended(KeyboardInterrupt()) == (130, "interrupted\n")


@pytest.mark.parametrize("name", ["a" * 300, "/dev/zero", "~nosuchuser/y", "a\0b"])
@pytest.mark.parametrize("command", ["validate", "plan", "run", "status", "report", "choose"])
def test_a_path_that_cannot_be(command: str, name: str) -> None:
    done = call(command, name)
    assert done.exit_code == 2, done.exception
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "setting",
    [
        *("model: ~nosuchuser/y", "task: {kind: files, path: ~nosuchuser/y.csv}"),
        *(
            f"task: {{kind: {kind}, folder: ~nosuchuser/y}}"
            for kind in ("squad", "glue, name: rte")
        ),
        "search: {warm_start: [~nosuchuser/y]}",
    ],
)
def test_the_home_of_a_user_whom_nobody_knows(tmp_path: Path, setting: str) -> None:
    (tmp_path / "x.yaml").write_text(f"{SMALL}{setting}\n")
    done = call("validate", tmp_path / "x.yaml")
    assert done.exit_code == 2, done.exception
    assert "~nosuchuser/y" in done.stderr


def test_damaged_specs_end_in_0_or_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "x.yaml"
    for content in mutations(
        [SMALL + "task: {kind: files, path: none.csv}\nfirst: [{}]\n"], 200, 3
    ):
        path.write_bytes(content)
        done = call("validate", path)
        assert done.exit_code in (0, 2), (content, done.stderr)
        assert not STEERING.search(done.output), content
        assert "Traceback" not in done.output
