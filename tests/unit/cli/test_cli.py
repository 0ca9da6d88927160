"""The command line as a user meets it: in a process of its own where imports and exit codes count,
else called in this one.
"""

import json
import re
import stat
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import unusable_path
from deft_sweeps.cli.results import QUIET_SEC, driver_state
from deft_sweeps.cli.spec_inspection import Inspection
from deft_sweeps.cli.sweeps import _conclude, as_begun
from deft_sweeps.findings import choose
from deft_sweeps.objective import parse_policy
from deft_sweeps.report import choice_text
from deft_sweeps.result import DensityReading, FinalMeasurement, Point
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from tests.cli_call import call
from tests.samples import complete, point, result

ROOT = Path(__file__).parents[3]
QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
COMMANDS = (
    *("init", "validate", "data", "plan", "run", "status", "report", "choose", "compare"),
    *("doctor", "recover-spec"),
)
HEAVY = ("torch", "ray", "transformers", "optuna", "mlflow", "peft", "datasets")
GOOD = "name: tiny\nspace: {density: [none, loss]}\nbudget: {trials: 2}\n"
UNEVEN = "does not divide the input width of q (512), v (512)"


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deft_sweeps", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=600
    )


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    """A sweep with a plain trial, a DEFT trial and a failed one, and no driver."""
    folder = SweepDir(tmp_path / "sweep")
    folder.root.mkdir()
    folder.spec_path.write_bytes(QUICKSTART.read_bytes())
    folder.write(result(point(0.0, 0.80, 0.6), point(0.01, 0.80, 0.5)))
    folder.write(result(point(0.0, 0.79, 0.4), point(0.01, 0.79, 0.2), weight=1.0, finished_at=2.0))
    folder.write(result(weight=2.0, finished_at=3.0))
    return folder


class TestHelp:
    def test_names_every_command_with_one_line(self) -> None:
        output = call("--help").stdout
        for command in COMMANDS:
            assert re.search(rf"^  {command} +\w.*[^.]\.$", output, re.MULTILINE), command
        assert not re.search(r"\.\.\.$", output.partition("Commands:")[2], re.MULTILINE), (
            "a summary is cut"
        )

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command_has_an_example_that_parses(self, command: str) -> None:
        output = " ".join(call(command, "--help").stdout.split())
        assert f"Example: deft-sweeps {command} " in output

    def test_version(self) -> None:
        assert re.fullmatch(r"deft-sweeps \d+\.\d+\.\d+\n", call("--version").stdout)

    @pytest.mark.parametrize(
        "statement",
        [
            "import deft_sweeps",
            "from deft_sweeps.cli.app import app; app(['--help'], standalone_mode=False)",
            (
                f"from deft_sweeps.cli.app import app; app(['validate', {str(QUICKSTART)!r}],"
                " standalone_mode=False)"
            ),
            (
                f"from deft_sweeps.cli.app import app; app(['plan', {str(QUICKSTART)!r}],"
                " standalone_mode=False)"
            ),
            (
                "from deft_sweeps.cli.app import app; app(['plan', '--combinations'],"
                " standalone_mode=False)"
            ),
        ],
    )
    def test_loads_nothing_heavy(self, statement: str) -> None:
        code = (
            f"import sys\n{statement}\nprint([m for m in {HEAVY!r} if m in sys.modules],"
            " file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
            timeout=600,
        )
        assert done.stderr.strip().splitlines()[-1] == "[]"

    def test_report_and_choose_load_nothing_heavy(self, sweep: SweepDir) -> None:
        lines = [
            f"try: app([{c!r}, {str(sweep.root)!r}], standalone_mode=False)\nexcept SystemExit:"
            " pass"
            for c in ("status", "report", "choose")
        ]
        code = "import sys\nfrom deft_sweeps.cli.app import app\n" + "\n".join(lines)
        code += f"\nprint([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
            timeout=600,
        )
        assert done.stderr.strip().splitlines()[-1] == "[]"
        assert "wrote" in done.stderr


class TestBadInput:
    def test_every_problem_is_a_line_on_stderr(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.yaml"
        bad.write_text("name: a/b\nspaces: {}\nbudget: {trials: 0}\n")
        done = process("plan", bad)
        assert done.returncode == 2
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert [line.removeprefix(str(bad)).split(": ")[0] for line in lines] == [
            ":1:1",
            ":1:7",
            ":2:1",
            ":3:18",
        ]
        assert "did you mean space?" in done.stderr

    def test_a_password_in_a_value_is_not_echoed(self, tmp_path: Path) -> None:
        for value in ("joe:S3cret@db.host/x", "ftp://joe:S3cr/et@db.host/x"):
            spec = tmp_path / "x.yaml"
            spec.write_text(f"{GOOD}search: {{storage: '{value}'}}\nobjectives: ['{value}']\n")
            done = call("validate", spec)
            assert done.exit_code == 2
            assert "***@db.host/x" in done.stderr
            assert "S3cr" not in done.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ("plan",),
            ("plan", "none.yaml"),
            ("nonsense",),
            ("status", "none"),
            ("run", "none.yaml"),
            ("validate",),
            ("run", "x", "--more", "-1"),
        ],
    )
    def test_exit_code_2_without_a_traceback(self, arguments: tuple[str, ...]) -> None:
        done = call(*arguments)
        assert done.exit_code == 2
        assert done.stderr
        assert "Traceback" not in done.stderr

    def test_validate_reads_every_file_before_it_ends(self, tmp_path: Path) -> None:
        good, bad, worse = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "worse.yaml"
        good.write_text(GOOD)
        bad.write_text(GOOD + "task: {kind: files, path: nowhere.csv}\n")
        worse.write_text(GOOD + "model: no/such/folder\n")
        done = call("validate", bad, good, worse)
        assert done.exit_code == 2
        assert f"{good}: valid, 2 combinations, 2 trials" in done.stdout
        assert f"{bad}:4:27: {tmp_path / 'nowhere.csv'}: no such file" in done.stderr
        assert f"{worse}:4:8: no folder {tmp_path / 'no/such/folder'}" in done.stderr

    def test_layers_that_the_model_does_not_have(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        file = tmp_path / "ungated.yaml"
        file.write_text(
            GOOD.replace("space: {", "space: {peft: [lora: {targets: [up]}], ")
            + "model: t5-small\n"
        )
        assert "lora targets up, but t5-small has only" in call("validate", file).stderr

    def test_a_folder_to_start_from_that_is_none_unless_the_file_makes_it(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "two.yaml"
        file.write_text(
            f"{GOOD}---\n{GOOD.replace('name: ', 'name: second-')}search: {{warm_start:"
            " [runs/first, runs/nowhere]}\n"
        )
        name = next(
            line.removeprefix("name: ") for line in GOOD.splitlines() if line.startswith("name: ")
        )
        file.write_text(file.read_text().replace("runs/first", f"runs/{name}"))
        output = call("validate", file).stderr
        assert f"search.warm_start: {tmp_path / 'runs/nowhere'} is no sweep folder" in output
        assert f"runs/{name} is" not in output

    def test_plan_says_what_makes_a_search_shorter_or_longer(self, tmp_path: Path) -> None:
        file = tmp_path / "more.yaml"
        file.write_text(
            GOOD.replace("trials: 2", "trials: 41, until_flat: 0.01")
            + "stopping: halving\nseeds: 3\n"
        )
        done = call("plan", file)
        assert "until_flat" not in done.stderr
        output = done.stdout
        assert "sooner where the front is flat" in output
        assert "end after 11%, 33% of their steps" in output
        assert "up to 2 more trainings of each configuration on the front" in output
        assert "not in the time" not in call("plan", QUICKSTART).stdout

    @pytest.mark.parametrize("command", ["plan", "validate"])
    def test_a_flat_front_that_comes_too_late_is_told(self, tmp_path: Path, command: str) -> None:
        file = tmp_path / "few.yaml"
        file.write_text(GOOD.replace("trials: 2", "trials: 40, until_flat: 0.01"))
        done = call(command, file)
        assert done.exit_code == 0
        assert (
            "until_flat ends no search of 40 trials: it looks after 40 (startup 10 + 30)"
            in done.stderr
        )
        assert "sooner where the front is flat" not in done.stdout

    @pytest.mark.parametrize(
        ("axis", "member", "what"),
        [
            (
                "peft",
                "lora: {r: {low: 4, high: 1000}}",
                (
                    "lora r 1000 is more than the width of q, v (peft.lora.r = 1000, open as 4 to"
                    " 1000; 384 fits)"
                ),
            ),
            (
                "peft",
                "adalora: {r: {low: 4, high: 700}}",
                (
                    "adalora r + extra 704 is more than the width of q, v (peft.adalora.r = 700,"
                    " open as 4 to 700; 380 fits)"
                ),
            ),
            (
                "peft",
                "adapter: {reduction: {low: 8, high: 1000}}",
                (
                    "reduction 1000 is more than the model's width, 512 (peft.adapter.reduction ="
                    " 1000, open as 8 to 1000; 512 fits)"
                ),
            ),
            (
                "peft",
                "oft: {block: {choice: [32, 48]}}",
                f"oft block 48 {UNEVEN} (peft.oft.block = 48, open as one of 32, 48)",
            ),
            (
                "peft",
                "oft: {block: {choice: [48, 32]}}",
                f"oft block 48 {UNEVEN} (peft.oft.block = 48, open as one of 48, 32)",
            ),
            (
                "peft",
                "oft: {block: {low: 16, high: 100}}",
                (
                    f"oft block 100 {UNEVEN} (peft.oft.block = 100, open as 16 to 100; give those"
                    " that fit as a choice)"
                ),
            ),
            (
                "peft",
                "oft: {block: {low: 16, high: 64}}",
                (
                    f"oft block 40 {UNEVEN} (peft.oft.block = 40, open as 16 to 64; give those that"
                    " fit as a choice)"
                ),
            ),
            ("peft", "oft: {block: 48}", f"oft block 48 {UNEVEN}"),
            (
                "adaptive",
                "ada: {skip: {low: 0, high: 30}}",
                "at most 15 (adaptive.ada.skip = 30, open as 0 to 30; 15 fits)",
            ),
        ],
    )
    def test_what_the_models_shape_forbids(
        self, tmp_path: Path, axis: str, member: str, what: str
    ) -> None:
        """Told once, by the number that the user wrote: never by the middle of a range where an end
        is to blame.
        """
        file = tmp_path / "wide.yaml"
        open_too = "training: {learning_rate: {low: 1e-4, high: 1e-3}}, "
        file.write_text(GOOD.replace("space: {", f"space: {{{axis}: [{member}], {open_too}"))
        (line,) = call("validate", file).stderr.splitlines()
        assert line.startswith(f"{file}:2:")
        assert line.endswith(what)

    def test_a_first_point_that_the_models_shape_forbids(self, tmp_path: Path) -> None:
        file = tmp_path / "first.yaml"
        points = "first: [{peft: {oft: {block: 6}}}, {}]\n"
        file.write_text(
            GOOD.replace("space: {", "space: {peft: [oft: {block: {low: 2, high: 8, log: true}}], ")
            + points
        )
        what = (
            f"oft block 6 {UNEVEN} (first point pretrained oft none none none none: peft.oft.block"
            " = 6)"
        )
        assert call("validate", file).stderr == f"{file}:4:8: {what}\n"

    def test_a_density_that_the_model_never_has(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        file = tmp_path / "encoder.yaml"
        file.write_text(
            GOOD + "model: roberta-base\nlimits: [decoder_density <= 0.2]\nobjectives: [score,"
            " written_density]\n"
        )
        output = call("validate", file).stderr
        assert "decoder_density is never measured: the model has no decoder" in output
        assert "written_density is never measured" in output

    def test_schema(self) -> None:
        assert json.loads(call("validate", "--schema").stdout)["$schema"].endswith("2020-12/schema")


class TestPaths:
    """A path that cannot be written is a sentence, and only one that the user named: any other is a
    bug.
    """

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ("afile/f.svg", "afile is a file, and a folder was expected (name another path)"),
            ("afile/sub/f.svg", "afile is a file, and a folder was expected (name another path)"),
            (".", "cannot be used: Device or resource busy, . (name another path)"),
            ("folder", "is a folder, and a file was expected (name a file in it)"),
        ],
    )
    def test_of_a_figure(
        self, sweep: SweepDir, monkeypatch: pytest.MonkeyPatch, named: str, message: str
    ) -> None:
        monkeypatch.chdir(sweep.root.parent)
        Path("afile").touch()
        Path("folder").mkdir()
        done = call("report", sweep.root, "--front-only", "--figure", named)
        assert (done.exit_code, done.stderr) == (2, f"{named}: {message}\n")

    def test_of_a_sweep(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deft_sweeps.cli.sweeps.inspect", lambda *_: Inspection([], []))
        spec, file = tmp_path / "x.yaml", tmp_path / "afile"
        spec.write_text(GOOD)
        file.touch()
        done = call("run", spec, "--out", file)
        assert (done.exit_code, done.stderr) == (
            2,
            f"{file}: {file} is a file, and a folder was expected (name another path)\n",
        )

    def test_of_a_first_spec(self, tmp_path: Path) -> None:
        data = labelled(tmp_path / "r.csv")
        there_is_none = tmp_path / "none" / "x.yaml"
        done = call("init", data, "-o", there_is_none)
        assert (done.exit_code, done.stderr) == (
            2,
            (
                f"{there_is_none}: there is no {there_is_none.parent} (make it first, or name"
                " another path)\n"
            ),
        )
        assert "is a folder" in call("init", data, "-o", tmp_path, "--force").stderr

    def test_any_other_keeps_its_traceback(self, tmp_path: Path) -> None:
        def missing(name: str) -> OSError:
            return FileNotFoundError(2, "No such file or directory", name)

        assert unusable_path(missing("/else/where"), [tmp_path / "x"]) is None
        assert unusable_path(OSError("nothing is told of a path"), [tmp_path / "x"]) is None
        denied = unusable_path(
            PermissionError(13, "Permission denied", str(tmp_path / ".x.tmp")), [tmp_path / "x"]
        )
        assert (
            str(denied)
            == f"{tmp_path / 'x'}: cannot be used: Permission denied, {tmp_path / '.x.tmp'} (name"
            " another path)"
        )


class TestEncoderOnly:
    """A sweep whose model has no decoder: every figure that there is, and nothing that there is
    not.
    """

    def test_is_planned_from_its_sizes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        file = tmp_path / "encoder.yaml"
        file.write_text(GOOD + "model: bert-large-uncased\n")
        completed = call("plan", file)
        assert completed.exit_code == 0
        assert "bert-large-uncased" in completed.stdout

    def test_is_reported_and_chosen_from(self, sweep: SweepDir) -> None:
        for made in (
            result(alone(0.0, 0.80, 0.6), alone(0.01, 0.80, 0.5)),
            result(alone(0.0, 0.79, 0.4), alone(0.01, 0.79, 0.2), weight=1.0, finished_at=2.0),
        ):
            sweep.write(made)
        for command in ("status", "report", "choose"):
            done = call(command, sweep.root)
            assert done.exit_code == 0, done.stderr
            assert "nan" not in done.stdout
        page = (sweep.root / "report.html").read_text()
        assert "the model has no decoder" in page
        assert not re.search(r"\bnan\b", page)

    def test_breaks_a_limit_on_the_decoder_in_words(self, sweep: SweepDir) -> None:
        made = [result(alone(0.0, 0.80, 0.6))]
        choice = choose(
            made,
            ["score", "activation_density"],
            policy=parse_policy("best score where decoder_density <= 0.2"),
        )
        assert choice.member is None
        assert "decoder_density was not measured" in choice_text.why(choice)


def labelled(path: Path) -> Path:
    """A small file of the user's, with columns review and mood."""
    path.write_text(
        "review,mood\n"
        + "".join(f"a film seen {i} times,{'good' if i % 2 else 'bad'}\n" for i in range(60))
    )
    return path


def alone(threshold: float, score: float, density: float) -> Point:
    """A point of a model without a decoder."""
    return replace(
        point(threshold, score, density),
        density=DensityReading(encoder_blocks=(density, density), decoder_blocks=()),
    )


class TestPlan:
    def test_says_what_would_run(self) -> None:
        done = call("plan", QUICKSTART)
        assert done.exit_code == 0
        for words in (
            "32 legal combinations",
            "first points",
            "density.loss.weight = 1.5",
            "projected",
            "for 12 trials",
        ):
            assert words in done.stdout

    def test_says_where_the_choice_will_run(self, tmp_path: Path) -> None:
        file = tmp_path / "x.yaml"
        file.write_text(f"{GOOD}deploy: {{runtime: onnx, batch: 8}}\n")
        assert "deploy: onnx, 8 texts a request; scores" in call("plan", file).stdout

    def test_says_what_is_excluded_and_why(self, tmp_path: Path) -> None:
        file = tmp_path / "x.yaml"
        file.write_text(GOOD.replace("loss]", "loss: {surrogate: tanh, eps: 1e-3}]"))
        done = call("plan", file)
        assert "excluded" in done.stdout
        assert "eps has no effect" in done.stdout

    def test_json(self) -> None:
        document = json.loads(call("plan", QUICKSTART, "--json").stdout)
        assert (len(document["combinations"]), document["n_trials"], len(document["first"])) == (
            32,
            12,
            7,
        )
        assert document["combinations"][0]["projected"]["memory_bytes"] > 0
        assert document["projected"]["time_sec"] > 0

    @pytest.mark.parametrize("has", [True, False])
    def test_says_that_a_dtype_is_slow_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: bool
    ) -> None:
        monkeypatch.setattr("deft_sweeps.specification.compute_dtype.cpu_has_bf16", lambda: has)
        file = tmp_path / "x.yaml"
        file.write_text(GOOD + "dtype: bf16\n")
        named, auto = call("plan", file, "--json"), call("plan", QUICKSTART)
        assert ("no instructions for it" in named.stderr) is not has
        assert "no instructions for it" not in auto.stderr
        assert ("bf16" if has else "fp32") in auto.stdout.splitlines()[0]
        file.write_text(GOOD + "dtype: fp32\n")
        slower = (
            json.loads(named.stdout)["projected"]["time_sec"]
            > json.loads(call("plan", file, "--json").stdout)["projected"]["time_sec"]
        )
        assert slower is not has

    def test_combinations_of_all_members_and_of_a_file(self, tmp_path: Path) -> None:
        output = call("plan", "--combinations").stdout
        assert re.search(r"^lora dora +yes .* no$", output, re.MULTILINE)
        assert "DoRA needs the length of each weight row" in output
        file = tmp_path / "x.yaml"
        file.write_text(GOOD.replace("space: {", "space: {peft: [{oft: {block: 48}}, lora], "))
        of_file = json.loads(call("plan", file, "--combinations", "--json").stdout)
        assert of_file["axes"]["peft"] == ["oft", "lora"]
        assert (of_file["n_legal"], of_file["n_combinations"]) == (2, 4)
        assert of_file["table"][0] == {"peft": "oft", "quantization": "none", "legal": "no"}
        assert "oft block 48 does not divide" in of_file["refused"][0]["why"]

    def test_combinations_that_no_target_takes(self, tmp_path: Path) -> None:
        output = call("plan", "--combinations").stdout
        assert re.search(r"^hf +peft: adapter, adapter houlsby", output, re.MULTILINE)
        assert re.search(r"^ct2, ct2-int8 +model: bert, roberta", output, re.MULTILINE)
        file = tmp_path / "x.yaml"
        file.write_text(GOOD.replace("space: {", "space: {peft: [lora, adapter], "))
        of_file = json.loads(call("plan", file, "--combinations", "--json").stdout)
        assert [(one["targets"], one["where"]) for one in of_file["not_exported"]] == [
            (["hf"], {"peft": ["adapter"]}),
            (["ct2", "ct2-int8"], {"peft": ["adapter"]}),
        ]
        file.write_text(GOOD)
        assert "not exported" not in call("plan", file, "--combinations").stdout

    def test_combinations_of_a_file_with_several_sweeps_and_what_a_range_ends_in(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "two.yaml"
        wide = GOOD.replace(
            "space: {", "space: {peft: [lora: {r: {low: 4, high: 1000}}], "
        ).replace("tiny", "wide")
        file.write_text(f"{GOOD}---\n{wide}")
        document = json.loads(call("plan", file, "--combinations", "--json").stdout)
        assert [(table["n_legal"], table["n_combinations"]) for table in document] == [
            (2, 2),
            (0, 2),
        ]
        assert "lora r 1000" in document[1]["refused"][0]["why"]
        text = call("plan", file, "--combinations").stdout
        assert "tiny: 2 of 2 combinations are legal" in text
        assert "wide: 0 of 2 combinations are legal" in text


class TestInit:
    def test_writes_a_spec_that_validates_and_keeps_what_is_there(self, tmp_path: Path) -> None:
        data, spec = labelled(tmp_path / "r.csv"), tmp_path / "r.yaml"
        assert call("init", data, "-o", spec).exit_code == 0
        assert call("validate", spec).stdout.startswith(f"{spec}: valid")
        written = spec.read_bytes()
        again = call("init", data, "-o", spec, "--label", "review")
        assert again.exit_code == 2
        assert "--force" in again.stderr
        assert spec.read_bytes() == written
        assert call("init", data, "-o", spec, "--force", "--text", "review").exit_code == 0
        assert (
            "did you mean mood"
            in call("init", data, "-o", tmp_path / "b.yaml", "--label", "mod").stderr
        )

    def test_one_column_is_not_both_text_and_label(self, tmp_path: Path) -> None:
        done = call(
            "init",
            labelled(tmp_path / "r.csv"),
            "-o",
            tmp_path / "r.yaml",
            "--text",
            "review",
            "--label",
            "review",
        )
        assert (done.exit_code, done.stderr) == (
            2,
            "--label: review is the column of the text already (name another one)\n",
        )
        assert not (tmp_path / "r.yaml").exists()


class TestSweepFolder:
    def test_status(self, sweep: SweepDir) -> None:
        done = call("status", sweep.root)
        assert "3 of 12 trials done (2 complete, 1 failed), 0 running" in done.stdout
        document = json.loads(call("status", sweep.root, "--json").stdout)
        assert (
            document["n_complete"],
            document["n_failed"],
            document["n_budget"],
            document["running"],
        ) == (
            2,
            1,
            12,
            [],
        )

    def test_status_of_a_driver_that_died(self, sweep: SweepDir) -> None:
        note = DriverNote(
            pid=1,
            started_at=0.0,
            beat_at=1.0,
            n_budget=20,
            running=("a-s0",),
            state="searching",
            left_sec=60.0,
        )
        sweep.write_note(note)
        done = call("status", sweep.root)
        assert "cut off, 3 of 20 trials done" in done.stdout
        assert "0 running" in done.stdout
        assert f"deft-sweeps run {sweep.root} --resume" in done.stderr

    def test_status_tells_a_trial_that_waits_from_a_running_one(self, sweep: SweepDir) -> None:
        import time

        now, ids = time.time(), ("a-s0", "b-s0", "c-s0")
        sweep.write_note(DriverNote(1, now, now, 20, ids, "searching", None, n_waiting=2))
        assert "1 running, 2 waiting for resources" in call("status", sweep.root).stdout
        document = json.loads(call("status", sweep.root, "--json").stdout)
        assert (document["running"], document["n_waiting"]) == (list(ids), 2)

    def test_driver_states(self) -> None:
        import time

        def note(state: str, silent_sec: float) -> DriverNote:
            return DriverNote(1, 0.0, time.time() - silent_sec, 1, (), state, None)

        assert driver_state(None) == "not started"
        assert driver_state(note("searching", 1)) == "searching"
        assert driver_state(note("measuring", QUIET_SEC + 1)) == "cut off"
        assert driver_state(note("finished", QUIET_SEC + 1)) == "finished"

    def test_report(self, sweep: SweepDir) -> None:
        done = call("report", sweep.root)
        assert done.exit_code == 0
        assert sweep.report_path.read_text().lstrip().startswith("<!")
        assert "0.790" in done.stdout

    def test_report_figure(self, sweep: SweepDir, tmp_path: Path) -> None:
        done = call("report", sweep.root, "--front-only", "--figure", tmp_path / "front.svg")
        assert done.exit_code == 0
        assert "<svg" in (tmp_path / "front.svg").read_text()

    def test_report_front_only(self, sweep: SweepDir) -> None:
        document = json.loads(call("report", sweep.root, "--front-only", "--json").stdout)
        assert not sweep.report_path.exists()
        spec = load_spec(QUICKSTART)
        chosen = choose(sweep.results(), spec.objectives, spec.limits, spec.choose)
        assert chosen.member is not None
        assert document["chosen"] == chosen.member.name
        assert document["chosen"] in [member["name"] for member in document["members"]]

    def test_choose(self, sweep: SweepDir) -> None:
        """On 100 examples no other training surely scores within 0.02 of the baseline."""
        surely = "best activation_density where surely score >= baseline(peft) - 0.02"
        done = call("choose", sweep.root, "--policy", surely)
        assert done.exit_code == 0
        assert done.stdout.startswith(
            "CHOSEN, NOT CERTIFIED: LoRA r8 on q v · plain · lr 0.001, threshold 0.01;"
        )
        densest = call("choose", sweep.root, "--policy", "best activation_density")
        assert "DEFT 1" in densest.stdout.splitlines()[0]
        other = json.loads(call("choose", sweep.root, "--policy", "best score", "--json").stdout)
        assert other["chosen"]["metrics"]["score"] == 0.8
        assert other["not_judged_on_test"].startswith("Not measured on the test split: ")
        assert other["not_judged_on_test"] in call("choose", sweep.root).stdout

    def test_a_choice_that_the_test_split_contradicts(
        self, sweep: SweepDir, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, deft, _ = sweep.results()
        plain = complete(first)
        assert plain.cost is not None
        assert plain.provenance is not None
        measured = (
            ("chosen", deft, point(0.01, 0.70, 0.2)),
            ("baseline", plain, point(0.0, 0.78, 0.6)),
        )
        for role, trial, at in measured:
            sweep.final_record().write(
                FinalMeasurement(
                    role=role,  # type: ignore[arg-type]
                    trial_id=trial.trial_id,
                    point=at,
                    cost=plain.cost,
                    provenance=plain.provenance,
                )
            )
        text = "best activation_density where score >= baseline(peft) - 0.02"
        message = "NOT CONFIRMED ON TEST: LoRA r8 on q v · DEFT 1"
        assert call("choose", sweep.root, "--policy", text).stdout.startswith(message)
        as_json = json.loads(call("choose", sweep.root, "--policy", text, "--json").stdout)
        assert as_json["verdict"].startswith(message)
        _conclude(replace(load_spec(QUICKSTART), choose=parse_policy(text)), sweep)
        (line,) = (
            line for line in capsys.readouterr().out.splitlines() if line.startswith(message)
        )
        assert "score 0.700 is 0.060 beyond it; the baseline scores 0.780 there" in line
        assert "SHIP" not in line

    def test_choose_with_a_policy_that_nothing_keeps(self, sweep: SweepDir) -> None:
        done = call(
            "choose", sweep.root, "--policy", "best score where activation_density <= 0.1", "--json"
        )
        assert done.exit_code == 1
        assert json.loads(done.stdout)["chosen"] is None

    def test_choose_with_a_misspelt_policy(self, sweep: SweepDir) -> None:
        done = call("choose", sweep.root, "--policy", "best scor")
        assert done.exit_code == 2
        assert done.stderr.startswith("--policy: ")

    def test_a_reader_that_goes_away_is_no_error(self, sweep: SweepDir) -> None:
        script = (
            f"{sys.executable} -m deft_sweeps report {sweep.root} --front-only --json | head -1;"
            " echo ${PIPESTATUS[0]}"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
            timeout=600,
        )
        assert done.stderr == ""
        assert done.stdout == "{\n0\n"


class TestRun:
    def test_a_folder_with_results_needs_resume_or_more(self, sweep: SweepDir) -> None:
        for arguments in (("run", sweep.root), ("run", QUICKSTART, "--out", sweep.root)):
            done = call(*arguments)
            assert done.exit_code == 2
            assert "--resume" in done.stderr
            assert "--more" in done.stderr

    def test_another_spec_is_not_run_into_a_folder(self, sweep: SweepDir, tmp_path: Path) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(GOOD)
        done = call("run", other, "--out", sweep.root, "--resume")
        assert done.exit_code == 2
        assert "is not the spec" in done.stderr
        assert sweep.spec_path.read_bytes() == QUICKSTART.read_bytes()

    def test_nothing_is_written_when_data_are_missing(self, tmp_path: Path) -> None:
        spec = tmp_path / "x.yaml"
        spec.write_text(GOOD + "task: {kind: files, path: nowhere.csv}\n")
        done = call("run", spec, "--out", tmp_path / "sweep")
        assert done.exit_code == 2
        assert "no such file" in done.stderr
        assert not (tmp_path / "sweep").exists()

    @pytest.mark.parametrize("has", [True, False])
    def test_a_sweep_goes_on_in_the_dtype_it_began_in(
        self, sweep: SweepDir, monkeypatch: pytest.MonkeyPatch, has: bool
    ) -> None:
        monkeypatch.setattr("deft_sweeps.specification.compute_dtype.cpu_has_bf16", lambda: has)
        begun = {result.config.dtype for result in sweep.results()}
        assert {as_begun(load_spec(sweep.spec_path), sweep).dtype} == begun

    @pytest.mark.parametrize("n_parts", [1, 2])
    def test_a_spec_with_a_password_is_the_owners_in_the_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_parts: int
    ) -> None:
        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("deft_sweeps.cli.sweeps._session", stop)
        monkeypatch.setattr(
            "deft_sweeps.sweep.local_ray.ray_session", lambda *_, **__: nullcontext()
        )
        secret = GOOD + "tracking_uri: http://ann:hunter2@host:5000\n"
        file, root = tmp_path / "x.yaml", tmp_path / "sweep"
        file.write_text("---\n".join([secret, secret.replace("tiny", "more")][:n_parts]))
        folders = [root] if n_parts == 1 else [root, root / "tiny"]
        for how in ((file, "--out", root), (root, "--resume")):
            assert call("run", *how).exit_code == 130
            for folder in folders:
                path = SweepDir(folder).spec_path
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, (how, path)
                path.chmod(0o644)  # As earlier versions left it; the next run closes it.

    def test_a_folder_and_out_are_too_much(self, sweep: SweepDir) -> None:
        assert "--out" in call("run", sweep.root, "--out", "x").stderr


class TestCompare:
    def test_two_sweeps_side_by_side(self, sweep: SweepDir, tmp_path: Path) -> None:
        other = SweepDir(tmp_path / "other")
        other.root.mkdir()
        other.spec_path.write_bytes(QUICKSTART.read_bytes())
        other.write(result(point(0.0, 0.85, 0.3)))
        document = json.loads(call("compare", sweep.root, other.root, "--json").stdout)
        assert [one["folder"] for one in document["sweeps"]] == [str(sweep.root), str(other.root)]
        assert document["joint_hypervolume"] > max(one["hypervolume"] for one in document["sweeps"])
        assert [len(one["on_joint_front"]) for one in document["sweeps"]] == [1, 1]
        assert document["best_score_by_density"][0]["scores"] == {
            str(sweep.root): 0.79,
            str(other.root): 0.85,
        }
        text = call("compare", sweep.root, other.root).stdout
        assert "Joint front" in text
        assert "0.850 (+0.060)" in text

    def test_what_does_not_compare_is_refused(self, sweep: SweepDir, tmp_path: Path) -> None:
        other = SweepDir(tmp_path / "other")
        other.root.mkdir()
        other.spec_path.write_text(GOOD + "objectives: [score, weight_bytes]\n")
        done = call("compare", sweep.root, other.root)
        assert done.exit_code == 2
        assert "the sweeps differ in objectives" in done.stderr
        assert f"{other.root} has no member on its front" in done.stderr
        assert "two or more different folders" in call("compare", sweep.root, sweep.root).stderr


def test_status_says_why_a_front_is_empty(tmp_path: Path) -> None:
    text = GOOD.replace("budget:", "limits: [score >= 0.99]\nbudget:")
    sweep = SweepDir(tmp_path / "sweep")
    sweep.write_spec(text.encode())
    for trial in (result(point(0.0, 0.8, 0.5)), result(point(0.0, 0.7, 0.2), weight=1.0)):
        sweep.write(trial)
    done = call("status", sweep.root)
    assert "The front is empty: no measured point keeps every limit." in done.stdout
    assert "`score >= 0.99` excludes most, 2 of 2." in done.stdout
