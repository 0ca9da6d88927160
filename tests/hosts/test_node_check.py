"""Nodes that cannot run trials are named with the reason and get none."""

import json
import time
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.drive import setting_digest, settings, starts
from tests.hosts.machines import ROOT, Host, Machines, ended
from tests.hosts.ray_cluster import RUN_SEC, Ended, RayCluster, Trait

pytestmark = pytest.mark.hosts

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


@pytest.fixture(scope="module")
def old_peft(shared: Path) -> Path:
    """A folder with the metadata of another peft."""
    described = shared / "old" / "peft-0.0.1.dist-info" / "METADATA"
    described.parent.mkdir(parents=True)
    described.write_text("Metadata-Version: 2.1\nName: peft\nVersion: 0.0.1\n")
    return shared / "old"


@pytest.fixture(scope="module")
def traits(shared: Path, old_peft: Path) -> dict[str, Trait]:
    """Hosts that must get no trial, by a part of the reason."""
    clock = shared / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(CLOCK)
    return {
        "deft-sweeps not installed": Trait(f"mount -t tmpfs tmpfs {ROOT}/deft_sweeps"),
        "peft 0.0.1 instead of": Trait(environment=first_on_path(old_peft)),
        "is another folder": Trait(f"mount -t tmpfs tmpfs {shared}"),
        "Read-only file system": Trait(f"mount -o remount,bind,ro {shared}"),
        "its clock is 3600 s ahead": Trait(environment=first_on_path(clock)),
        "/dev/shm of 64.0 MiB is too small": Trait(shm_size="64m"),
    }


@pytest.fixture(scope="module")
def mixed(
    machines: Machines, traits: dict[str, Trait], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RayCluster, dict[str, Host]]:
    """A sound head and a host of each trait."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "mixed")
    cluster.grow(1)
    return cluster, dict(zip(traits, cluster.join(*traits.values()), strict=True))


def drive(cluster: RayCluster, root: Path, trials: int, step_sec: float, *cpus: int) -> list[str]:
    root.parent.mkdir()
    arguments = [root, cluster.address, trials, step_sec, *cpus]
    return ["python", "-m", "tests.hosts.drive", *map(str, arguments)]


def refusal(done: Ended) -> str:
    """The one sentence of a driver that ended with the code of bad input, and soon."""
    assert done.code == BAD_INPUT, done.output
    assert done.took_sec < SENTENCE_SEC, done.output
    assert "Traceback" not in done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("--ray-address")]
    return line


def test_doctor_prints_a_line_a_node(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path
) -> None:
    cluster, unsound = mixed
    folder = shared / "examined"
    folder.mkdir()
    command = ["deft-sweeps", "doctor", "--out", str(folder), "--ray-address", cluster.address]
    done = cluster.run(cluster.hosts[0], command)
    assert done.code == BAD_INPUT, done.output
    assert done.took_sec < 2 * SENTENCE_SEC, done.output
    lines = {line.split(" ")[0]: line for line in done.output.splitlines()}
    head = cluster.hosts[0]
    assert lines[head.name].startswith(f"{head.name} ({head.ip}): ok, 1 trial at a time")
    for reason, host in unsound.items():
        assert lines[host.name].startswith(f"{host.name} ({host.ip}): no trials: "), done.output
        assert reason in lines[host.name], done.output
    assert list(folder.iterdir()) == []


def test_nodes_that_fail_get_no_trial_and_are_named_once(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path, traits: dict[str, Trait]
) -> None:
    """One joins while the sweep runs; a sound one that joins trains."""
    cluster, unsound = mixed
    root = shared / "mixed" / "sweep"
    process, log, _ = cluster.begin(cluster.hosts[0], drive(cluster, root, 1000, 0.1))
    with ended(process):
        wait_until(lambda: len(SweepDir(root).results()) >= 1, log)
        reason, trait = "is another folder", traits["is another folder"]
        sound, late = cluster.join(Trait(), trait)
        wait_until(lambda: sound.name in starts(root), log)
        wait_until(lambda: f"no trials on {late.name} ({late.ip})" in log.read_text(), log)
    warnings = [line for line in log.read_text().splitlines() if "no trials on" in line]
    for part, host in [*unsound.items(), (reason, late)]:
        (warning,) = [line for line in warnings if f"{host.name} ({host.ip})" in line]
        assert part in warning
    assert set(starts(root)) == {cluster.hosts[0].name, sound.name}
    sound.power_off()


def test_a_cluster_without_a_sound_node_is_refused(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path, old_peft: Path
) -> None:
    """The driver itself has another peft than the head."""
    cluster, _ = mixed
    command = drive(cluster, shared / "none" / "sweep", 2, 0.1)
    line = refusal(cluster.run(cluster.hosts[0], command, first_on_path(old_peft)))
    assert f"{cluster.address}: no node can run trials: " in line
    assert "instead of 0.0.1" in line


def test_a_trial_that_fits_no_node_is_refused(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path
) -> None:
    cluster, _ = mixed
    command = drive(cluster, shared / "large" / "sweep", 2, 0.1, 64)
    line = refusal(cluster.run(cluster.hosts[0], command))
    assert "no trial fits: one needs 64 CPU, and the largest of its" in line
    assert "has 1 CPU (lower budget.cpus_per_trial, or add a node)" in line


def test_a_trial_that_waits_is_not_shown_as_running(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path
) -> None:
    """Another program holds the one sound node."""
    cluster, _ = mixed
    root = shared / "waits" / "sweep"
    hold = ["python", "-m", "tests.hosts.hold", cluster.address, str(shared / "held")]
    holder, held_log, _ = cluster.begin(cluster.hosts[0], hold)
    with ended(holder):
        wait_until((shared / "held").exists, held_log)
        process, log, _ = cluster.begin(cluster.hosts[0], drive(cluster, root, 1, 0.0))
        with ended(process):

            def under_way() -> str:
                note = SweepDir(root).note()
                return note.under_way if note else ""

            wait_until(lambda: "waiting" in under_way(), log)
            assert under_way() == "0 running, 1 waiting for resources"
            assert starts(root) == []
            (shared / "held").unlink()
            wait_until(lambda: len(SweepDir(root).results()) == 1, log)
            assert process.wait(RUN_SEC) == 0


def test_settings_travel_and_no_file_holds_the_secret(
    mixed: tuple[RayCluster, dict[str, Host]], shared: Path
) -> None:
    cluster, _ = mixed
    root = shared / "settings" / "sweep"
    chosen = {"DEFT_SWEEPS_CACHE": str(shared / "cache"), "HF_TOKEN": SECRET}
    done = cluster.run(cluster.hosts[0], drive(cluster, root, 2, 0.1), chosen)
    assert done.code == 0, done.output
    assert settings(root) == {setting_digest(chosen)}
    scan = ["python", "-m", "tests.hosts.scan", SECRET, "/tmp/ray", str(shared)]
    scanned = cluster.run(cluster.hosts[0], scan)
    assert scanned.code == 0, scanned.output
    report = json.loads(scanned.output.splitlines()[-1])
    assert report["n_files"] > 20, "it has looked at Ray's logs and the sweep's folder"
    assert report["holding"] == []
    assert SECRET not in done.output


def wait_until(condition: object, log: Path) -> None:
    """Wait for the condition to hold; show the driver's log if it does not."""
    assert callable(condition)
    until = time.monotonic() + RUN_SEC
    while not condition():
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.5)
