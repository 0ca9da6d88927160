"""Nodes that cannot run trials are named with the reason and get none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.drive import setting_digest, settings, starts
from tests.hosts.machines import ROOT, Host, Machines, ended
from tests.hosts.ray_cluster import Environment, RayCluster, Trait, wait_until

pytestmark = pytest.mark.hosts

QUICKSTART = ROOT / "search_spaces" / "quickstart.yaml"
SENTENCE_SEC = 20.0
SECRET = "hf_notARealTokenButLongEnough"
CLOCK = """
import sys, time
if any("default_worker" in argument for argument in sys.orig_argv):
    now = time.time
    time.time = lambda: now() + 3600
"""


def first_on_path(folder: Path) -> dict[str, str]:
    """The environment of a Python that looks into the folder before its own packages."""
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def metadata(folder: Path, version: str) -> Path:
    """A folder in which peft has another version."""
    described = folder / f"peft-{version}.dist-info" / "METADATA"
    described.parent.mkdir(parents=True)
    described.write_text(f"Metadata-Version: 2.1\nName: peft\nVersion: {version}\n")
    return folder


@pytest.fixture(scope="module")
def traits(shared: Path) -> dict[tuple[str, str], Trait]:
    """Hosts that must get no trial, by parts of the two reasons for it."""
    clock = shared / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(CLOCK)
    old = metadata(shared / "old", "0.0.1")
    inside = f"{shared}/examined {shared}/mixed/sweep"
    return {
        ("deft-sweeps not installed there", "its clock is 3600 s ahead of the driver's"): Trait(
            f"mount -t tmpfs tmpfs {ROOT}/deft_sweeps", environment=first_on_path(clock)
        ),
        ("it has peft 0.0.1 instead of", "Read-only file system"): Trait(
            f"mount -o remount,bind,ro {shared}", environment=first_on_path(old)
        ),
        ("is another folder", "/dev/shm of 64.0 MiB is too small"): Trait(
            f"mount -t tmpfs tmpfs {shared}; mkdir -p {inside}", shm_size="64m"
        ),
    }


@dataclass(frozen=True)
class Mixed:
    """A sound head beside hosts that are not."""

    cluster: RayCluster
    unsound: Mapping[tuple[str, str], Host]

    @property
    def head(self) -> Host:
        return self.cluster.hosts[0]

    def drive(self, root: Path, trials: int, step_sec: float) -> list[str]:
        root.parent.mkdir()
        arguments = [root, self.cluster.address, trials, step_sec]
        return ["python", "-m", "tests.hosts.drive", *map(str, arguments)]

    def refusal(self, spec: Path, out: Path, environment: Environment | None = None) -> str:
        """The one sentence that `run` ends with, and soon."""
        command = ["deft-sweeps", "run", str(spec), "--out", str(out)]
        command += ["--ray-address", self.cluster.address]
        done = self.cluster.run(self.head, command, environment)
        assert done.code == BAD_INPUT, done.output
        assert done.took_sec < SENTENCE_SEC, done.output
        assert "Traceback" not in done.output
        (line,) = done.output.splitlines()
        assert line.startswith(f"--ray-address {self.cluster.address}: ")
        return line


@pytest.fixture(scope="module")
def mixed(
    machines: Machines,
    traits: dict[tuple[str, str], Trait],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mixed:
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "mixed")
    cluster.grow(1)
    return Mixed(cluster, dict(zip(traits, cluster.join(*traits.values()), strict=True)))


def test_doctor_prints_a_line_a_node(mixed: Mixed, shared: Path) -> None:
    folder = shared / "examined"
    folder.mkdir()
    command = ["deft-sweeps", "doctor", "--out", str(folder)]
    done = mixed.cluster.run(mixed.head, [*command, "--ray-address", mixed.cluster.address])
    assert done.code == BAD_INPUT, done.output
    assert done.took_sec < SENTENCE_SEC, done.output
    lines = {line.split(" ")[0]: line for line in done.output.splitlines()}
    head = mixed.head
    assert lines[head.name].startswith(f"{head.name} ({head.ip}): ok, 1 trial at a time")
    for reasons, host in mixed.unsound.items():
        assert lines[host.name].startswith(f"{host.name} ({host.ip}): no trials: "), done.output
        assert all(reason in lines[host.name] for reason in reasons), done.output
    assert list(folder.iterdir()) == []


def test_a_cluster_without_a_sound_node_is_refused(mixed: Mixed, shared: Path) -> None:
    """The driver itself has another peft than every node."""
    environment = first_on_path(metadata(shared / "new", "9.9.9"))
    line = mixed.refusal(QUICKSTART, shared / "none", environment)
    assert "no node can run trials: " in line
    assert "instead of 9.9.9" in line


def test_a_trial_that_fits_no_node_is_refused(mixed: Mixed, shared: Path) -> None:
    spec = shared / "large.yaml"
    spec.write_text(
        "name: large\nspace: {density: [none, loss]}\nbudget: {trials: 2, cpus_per_trial: 64}\n"
    )
    line = mixed.refusal(spec, shared / "large")
    assert "no trial fits: one needs 64 CPU" in line
    assert f"the largest of its 4 nodes, {mixed.head.name} ({mixed.head.ip}), has 1 CPU" in line
    assert "(lower budget.cpus_per_trial, or add a node)" in line


def test_a_trial_that_waits_is_not_shown_as_running(mixed: Mixed, shared: Path) -> None:
    """Another program holds the one sound node."""
    root, held = shared / "waits" / "sweep", shared / "held"
    hold = ["python", "-m", "tests.hosts.hold", mixed.cluster.address, str(held)]
    holder, held_log, _ = mixed.cluster.begin(mixed.head, hold)
    with ended(holder):
        wait_until(held.exists, held_log)
        process, log, _ = mixed.cluster.begin(mixed.head, mixed.drive(root, 1, 0.0))
        with ended(process):

            def under_way() -> str:
                note = SweepDir(root).note()
                return note.under_way if note else ""

            wait_until(lambda: "waiting" in under_way(), log)
            assert under_way() == "0 running, 1 waiting for resources"
            assert starts(root) == []
            held.unlink()
            wait_until(lambda: len(SweepDir(root).results()) == 1, log)


def test_settings_travel_and_no_file_holds_the_secret(mixed: Mixed, shared: Path) -> None:
    root = shared / "settings" / "sweep"
    chosen = {"DEFT_SWEEPS_CACHE": str(shared / "cache"), "HF_TOKEN": SECRET}
    done = mixed.cluster.run(mixed.head, mixed.drive(root, 1, 0.0), chosen)
    assert done.code == 0, done.output
    assert SECRET not in done.output
    assert settings(root) == {setting_digest(chosen)}
    scan = ["python", "-m", "tests.hosts.scan", SECRET, "/tmp/ray", str(shared)]
    scanned = mixed.cluster.run(mixed.head, scan)
    assert scanned.code == 0, scanned.output
    report = json.loads(scanned.output.splitlines()[-1])
    assert report["n_files"] > 20, "it has looked at Ray's logs and the sweep's folder"
    assert report["holding"] == []


def test_nodes_that_fail_get_no_trial_and_are_named_once(mixed: Mixed, shared: Path) -> None:
    """A sound one that joins later trains, another does not."""
    root = shared / "mixed" / "sweep"
    process, log, _ = mixed.cluster.begin(mixed.head, mixed.drive(root, 1000, 0.1))
    with ended(process):
        wait_until(lambda: len(SweepDir(root).results()) >= 1, log)
        sound, late = mixed.cluster.join(Trait(), Trait(f"mount -t tmpfs tmpfs {shared}"))
        wait_until(lambda: sound.name in starts(root), log)
        wait_until(lambda: f"no trials on {late.name} ({late.ip})" in log.read_text(), log)
    warnings = [line for line in log.read_text().splitlines() if "no trials on" in line]
    for reasons, host in [*mixed.unsound.items(), (("it has no ",), late)]:
        (warning,) = [line for line in warnings if f"{host.name} ({host.ip})" in line]
        assert all(reason in warning for reason in reasons)
    assert set(starts(root)) == {mixed.head.name, sound.name}
