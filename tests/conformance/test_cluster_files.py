"""The recipes of cluster/: none of them is run by the gate, so what they say is checked."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import typer
import yaml  # type: ignore[import-untyped]
from ray.scripts import scripts

from deft_sweeps.cli.app import app

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
RECIPES = sorted(path for path in CLUSTER.iterdir() if path.is_file() and path.suffix != ".py")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = f"REGISTRY/deft-sweeps:{PROJECT['version']}"

RAY_JOB_FIELDS = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint",
    "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy",
    "metadata", "preRunningDeadlineSeconds", "rayClusterSpec", "runtimeEnvYAML", "submissionMode",
    "suspend",
}  # fmt: skip
"""Of a RayJob in SidecarMode with rules of deletion, which exclude `submitterConfig`,
`shutdownAfterJobFinishes` and `ttlSecondsAfterFinished`."""
RAY_CLUSTER_FIELDS = {
    "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions",
    "headGroupSpec", "headServiceAnnotations", "managedBy", "rayVersion", "suspend",
    "workerGroupSpecs",
}  # fmt: skip
POLICIES = {"DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone"}


def loaded(name: str) -> Any:
    return yaml.safe_load((CLUSTER / name).read_text())


def pinned(package: str) -> str:
    """Version of a package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(f"{package}=="))


def commands(path: Path) -> str:
    """A file's commands, a line each: without quotes and comment signs, continued lines joined."""
    lines = (line.lstrip().removeprefix("#").strip() for line in path.read_text().splitlines())
    text = "\n".join(lines)
    if path.suffix == ".yaml":
        text += "\n" + "\n".join(texts_in(yaml.safe_load(path.read_text())))
    return text.replace("\\\n", " ").replace('"', "")


def texts_in(data: Any) -> Iterator[str]:
    """Every text of a YAML file, in which a folded one has no line breaks."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from texts_in(part)


def flags(text: str, command: str) -> set[str]:
    """Options that follow a command on its line, up to `&`."""
    rests = re.findall(rf"{command}([^&\n]*)", text)
    return {flag for rest in rests for flag in re.findall(r"(?<![^\s(])--[a-z][a-z-]*", rest)}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_options_of_commands_exist(path: Path) -> None:
    text = commands(path)
    root = typer.main.get_command(app)
    assert hasattr(root, "commands")
    run_options = {option for one in root.commands["run"].params for option in one.opts}
    start_options = {option for one in scripts.start.params for option in one.opts}
    assert flags(text, "deft-sweeps run ") <= run_options
    assert flags(text, "ray start ") <= start_options
    if path.suffix == ".sbatch":  # Its options of `ray start` are put together.
        parts = flags(text, r"resources\+?=") | flags(text, " -- ")
        assert {"--num-cpus", "--memory", "--head", "--address"} <= parts <= start_options


def test_the_autoscalers_file_is_what_ray_accepts() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(loaded("ray_up.yaml"), schema)


def test_the_autoscalers_workers_state_their_memory() -> None:
    """Without it no trial on CPUs fits on any."""
    workers = loaded("ray_up.yaml")["available_node_types"]
    assert workers["worker"]["resources"]["memory"] > 0
    assert workers["head"]["resources"] == {"CPU": 0}


def test_the_ray_job_has_fields_of_kuberay() -> None:
    job = loaded("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert set(spec) <= RAY_JOB_FIELDS
    assert spec["submissionMode"] == "SidecarMode"
    assert "--resume" in spec["entrypoint"].split(), "or a second attempt would be refused"
    for rule in spec["deletionStrategy"]["deletionRules"]:
        assert rule["policy"] in POLICIES
        assert rule["condition"]["jobStatus"] in ("SUCCEEDED", "FAILED")
    cluster = spec["rayClusterSpec"]
    assert set(cluster) <= RAY_CLUSTER_FIELDS
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["rayVersion"] == pinned("ray")
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == IMAGE
        assert container["resources"]["requests"] == container["resources"]["limits"]
        names = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= names


def test_the_tracker_listens_on_loopback_and_has_no_password_of_ours() -> None:
    services = loaded("mlflow.compose.yaml")["services"]
    assert services["mlflow"]["ports"] == ["127.0.0.1:5000:5000"]
    assert "ports" not in services["database"]
    assert services["mlflow"]["image"] == IMAGE
    text = (CLUSTER / "mlflow.compose.yaml").read_text()
    assert "POSTGRES_PASSWORD:" not in text
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "cluster/postgres_password" in ignored


def test_the_image_copies_what_there_is_and_installs_pinned_packages() -> None:
    lines = (CLUSTER / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    for name in (name for names in copied for name in names if not name.startswith("--")):
        assert (ROOT / name).exists(), name
    installs = [step for line in lines for step in line.split("&&") if "pip install" in step]
    assert installs
    assert all("-c constraints.txt" in one or "--require-hashes" in one for one in installs)


def test_the_batch_script_is_a_bash_script() -> None:
    done = subprocess.run(
        ["bash", "-n", str(CLUSTER / "slurm.sbatch")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
