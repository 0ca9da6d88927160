"""What is installed with each extra, and what a missing one is answered with."""

import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import copyfile, copytree

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.errors import DeftSweepsError, MissingExtraError
from deft_sweeps.extras import installation, missing_extra, require
from deft_sweeps.store.sweep_dir import SweepDir
from tests.cli_call import call
from tests.hidden_packages import ONLY_REPORTS, ONLY_SWEEPS, without
from tests.samples import point, result

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
SERVING = (
    "axes.density_meter",
    "axes.peft.bottleneck",
    "axes.peft.lora_layers",
    "axes.peft.masked_lora",
    "axes.peft.prompts",
    "axes.peft_method",
    "axes.quantization.packed_layers",
    "deploy.runtime",
    "models.answering",
    "models.checkpoints",
    "models.families",
    "models.vocabulary",
    "tasks.batches",
    "tasks.passages",
    "tasks.spans",
    "tasks.task_data",
    "tasks.tokens",
    "tasks.windows",
    "trial.build",
    "trial.evaluate",
    "trial.heads",
    "trial.predict",
)


def declared(extra: str) -> list[str]:
    """The requirements of an extra in pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        named: list[str] = tomllib.load(file)["project"]["optional-dependencies"][extra]
        return named


@pytest.mark.parametrize("extra", ["serve", "quantized", "sweep", "onnx", "ct2"])
def test_what_an_extra_brings_is_installed_here(extra: str) -> None:
    require(extra)


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "serve"),
        ("ray.tune.search", "sweep"),
        ("google.protobuf", "serve"),
        ("huggingface_hub", "serve"),
        ("bitsandbytes", "quantized"),
        ("onnxruntime", "onnx"),
        ("ctranslate2", "ct2"),
    ],
)
def test_a_missing_module_names_the_extra_that_brings_it(module: str, extra: str) -> None:
    error = missing_extra(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert isinstance(error, DeftSweepsError)
    assert str(error).endswith(f'not installed; type: pip install "deft-sweeps[{extra}]"')


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'raystation'", name="raystation"),
        ModuleNotFoundError("by hand"),
        ImportError("libcudart.so: cannot open shared object file", name="torch"),
    ],
)
def test_another_import_error_is_not_explained_away(error: ImportError) -> None:
    assert missing_extra(error) is None


def test_an_extra_needs_what_it_includes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "optuna", "google.protobuf"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError) as caught:
        require("sweep")
    assert str(caught.value) == (
        f"torch, google.protobuf and optuna are not installed; type: {installation('sweep')}"
    )
    with pytest.raises(MissingExtraError, match=r"^torch and google.protobuf are .*\[serve\]"):
        require("serve")


@pytest.mark.parametrize("command", ["init", "validate", "data", "plan", "run"])
def test_a_command_without_its_extra_names_what_to_type(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = call(command, QUICKSTART)
    assert (done.exit_code, done.stdout) == (BAD_INPUT, "")
    assert done.stderr == 'ray is not installed; type: pip install "deft-sweeps[sweep]"\n'


def test_a_command_that_meets_a_missing_module_on_its_way_names_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deft_sweeps.cli.app.require", lambda extra: None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    done = call("init", tmp_path / "rows.parquet")
    assert done.exit_code == BAD_INPUT
    assert done.stderr == 'pyarrow is not installed; type: pip install "deft-sweeps[sweep]"\n'


def test_results_are_read_with_no_extra_at_all(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "sweep")
    sweep.root.mkdir()
    sweep.spec_path.write_bytes(QUICKSTART.read_bytes())
    sweep.write(result(point(0.0, 0.80, 0.6), point(0.01, 0.80, 0.5)))
    heavy = ("torch", "transformers", "peft", "tokenizers", "sentencepiece", "huggingface_hub")
    for command in ("status", "report", "choose", "plan --combinations"):
        folder = "" if command.startswith("plan") else f", {str(sweep.root)!r}"
        names = ", ".join(map(repr, command.split()))
        code = f"sys.argv = ['deft-sweeps', {names}{folder}]\nfrom deft_sweeps.cli import main\n"
        done = without((*heavy, *ONLY_SWEEPS), code + "main()")
        assert "not installed" not in done.stderr, done.stderr
        assert done.returncode == 0, done.stderr


def test_what_serves_a_model_needs_only_the_serve_extra() -> None:
    named = [f"deft_sweeps.{module}" for module in SERVING]
    code = f"import deft_sweeps\nfor name in {named!r}: import_module(name)\nprint('all')"
    done = without((*ONLY_SWEEPS, *ONLY_REPORTS), code)
    assert done.stdout == "all\n", done.stderr


def test_a_quantized_base_names_its_own_extra() -> None:
    code = """
import torch
from deft_sweeps.axes.quantization.packed_layers import quantize_
from deft_sweeps.errors import MissingExtraError
try:
    quantize_(torch.nn.Module(), None, None, "fp32", torch.device("cpu"))
except MissingExtraError as error:
    print(error)
"""
    done = without(("bitsandbytes",), code)
    message = 'bitsandbytes is not installed; type: pip install "deft-sweeps[quantized]"\n'
    assert done.stdout == message, done.stderr


def test_every_requirement_of_an_extra_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    pinned = {pin.partition("==")[0] for pin in pins if not pin.startswith("#")}
    for extra in ("serve", "quantized", "sweep", "onnx", "ct2"):
        for requirement in declared(extra):
            name = requirement.partition(">")[0].partition("[")[0]
            assert name == "deft-sweeps" or name in pinned, requirement


@pytest.mark.slow
def test_a_clean_environment_with_serve_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    copytree(ROOT / "deft_sweeps", source / "deft_sweeps")
    for name in ("pyproject.toml", "README.md"):
        copyfile(ROOT / name, source / name)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pins = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([python, "-m", "pip", "install", "-q", *pins, f"{source}[serve]"], check=True)
    named = [f"deft_sweeps.{module}" for module in SERVING]
    code = (
        "from importlib import import_module; from importlib.util import find_spec\n"
        f"for name in {named!r}: import_module(name)\n"
        f"print([name for name in {ONLY_SWEEPS!r} if find_spec(name)])"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "[]\n", done.stderr
    missing = subprocess.run(
        [python, "-m", "deft_sweeps", "run", QUICKSTART], capture_output=True, text=True
    )
    assert missing.returncode == BAD_INPUT
    assert missing.stderr.endswith(f"type: {installation('sweep')}\n")
