"""A sweep of real trainings that loses a host and gains one has the front of one without faults."""

from pathlib import Path

import pytest

from deft_sweeps.findings.findings import Findings
from deft_sweeps.result import complete_trials
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from tests.fakes import FakeMaker
from tests.hosts.drive_front import began
from tests.hosts.fault_checks import is_whole, wait_for
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RUN_SEC, SOON_DEAD, RayCluster
from tests.running import counts_are_equal
from tests.tiny import save_tiny_encoder, write_reviews

pytestmark = pytest.mark.hosts

TRIALS, STEPS = 8, 300
SPEC = """
name: same-front
model: {model}
task:
  kind: files
  path: {reviews}
  max_input_tokens: 16
  splits: {{validation: 40, test: 20}}
space:
  peft: [{{lora: {{r: {{choice: [2, 4]}}, targets: [q, v]}}}}]
  density: [none, {{loss: {{weight: {{low: 0.1, high: 5, log: true}}}}}}]
  training: {{steps: {steps}, batch_size: 4, learning_rate: {{low: 1e-5, high: 1e-3, log: true}}}}
objectives: [score, activation_density]
choose: best activation_density where score >= baseline(peft) - 0.5
evaluation: {{thresholds: [0, 0.1, 0.3, 0.6, 1.0], objective_threshold: 0.1}}
search: {{sampler: random, seed: 5}}
budget: {{trials: {trials}, cpus_per_trial: 1}}
"""


@pytest.fixture(scope="module")
def cluster(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    """Four hosts with room for one trial each; a test adds a fifth."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "front", SOON_DEAD)
    cluster.grow(4)
    return cluster


@pytest.fixture(scope="module")
def spec_path(shared: Path) -> Path:
    """A sweep of a tiny encoder over made-up reviews."""
    reviews = write_reviews(shared / "reviews.csv")
    texts = [line.split(",")[0] for line in reviews.read_text().splitlines()]
    save_tiny_encoder(shared / "encoder", "bert", texts)
    path = shared / "front.yaml"
    given = {"model": shared / "encoder", "reviews": reviews, "steps": STEPS, "trials": TRIALS}
    path.write_text(SPEC.format(**given))
    return path


def drive(spec_path: Path, root: Path, cluster: RayCluster, *held: Path) -> list[str]:
    root.parent.mkdir()
    arguments = [spec_path, root, cluster.address, *held]
    return ["python", "-m", "tests.hosts.drive_front", *map(str, arguments)]


Points = list[tuple[float, float, tuple[float, ...]]]


def measured(root: Path) -> dict[int | None, tuple[str, Points]]:
    """What every trial has measured, by its number: threshold, score, and density of each block."""
    return {
        result.number: (
            result.trial_id,
            [
                (point.threshold, point.score.value, point.density.encoder_blocks)
                for point in result.points
            ],
        )
        for result in complete_trials(SweepDir(root).results())
    }


def front(spec_path: Path, root: Path) -> list[tuple[str, dict[str, float]]]:
    """The front's trials with their score and density."""
    findings = Findings.read(load_spec(spec_path), SweepDir(root))
    names = ("score", "activation_density")
    return sorted(
        (
            (member.result.trial_id, {name: member.values[name] for name in names})
            for member in findings.front.members
        ),
        key=str,
    )


def test_losing_one_host_and_gaining_one_changes_neither_configurations_nor_front(
    cluster: RayCluster, spec_path: Path, shared: Path
) -> None:
    """The lost host's trial goes on elsewhere from its checkpoint. The i-th proposal of the random
    sampler follows from seed and i alone.
    """
    calm, faulty = shared / "calm" / "sweep", shared / "faulty" / "sweep"
    done = cluster.run(cluster.hosts[0], drive(spec_path, calm, cluster))
    assert done.code == 0, done.output
    assert is_whole(calm, TRIALS) == (0, 0)

    held, notes, sweep = shared / "five-hosts", FakeMaker(faulty.parent), SweepDir(faulty)
    victim = cluster.hosts[3]

    def under_way() -> list[str]:
        """Trials of the victim that have a checkpoint."""
        mine = [trial_id for trial_id, host in began(notes).items() if host == victim.name]
        return [one for one in mine if UnfinishedTrial(sweep, one).checkpoint() is not None]

    process, log, _ = cluster.begin(cluster.hosts[0], drive(spec_path, faulty, cluster, held))
    with ended(process):
        lost_at = wait_for(under_way, log, process)
        victim.power_off()
        (gained,) = cluster.grow(1)
        gained_at = wait_for(lambda: gained.name in began(notes).values(), log, process)
        held.touch()
        assert process.wait(RUN_SEC) == 0, log.read_text()
    steps = [step for _, step in notes.notes("began") if step > 0]
    assert is_whole(faulty, TRIALS) == (0, 0)
    counts_are_equal(load_spec(spec_path), SweepDir(faulty))
    assert measured(faulty) == measured(calm)
    assert front(spec_path, faulty) == front(spec_path, calm)
    print(
        f"{TRIALS} real trials, {len(front(spec_path, calm))} points on the front: equal; 0 lost,"
        f" 0 doubled; taken up elsewhere from steps {steps} of {STEPS}; {gained.name} trains"
        f" {gained_at - lost_at:.0f} s after {victim.name} lost power"
    )
