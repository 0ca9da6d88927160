"""A node's facts beside the driver's; tests/hosts has real nodes."""

from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.sweep.node_check import NodeFacts, NodeReading, node_problems

FOLDER = Path("/shared/runs/first")
VERSIONS = {"Python": "3.11", "deft-sweeps": "0.1.0", "ray": "2.60.0", "peft": "0.21.2"}
DRIVER = NodeFacts("head", 1000.0, VERSIONS, "abc", None, 2**30)
NODE = NodeFacts("worker", 1000.0, dict(VERSIONS), "abc", "", 2**30)


def reading(
    facts: NodeFacts = NODE,
    *,
    sent_at: float = 999.0,
    received_at: float = 1001.0,
    reply_seen: bool = True,
    object_store_bytes: float = 2.0**29,
) -> NodeReading:
    return NodeReading(facts, sent_at, received_at, reply_seen, object_store_bytes)


def problems(of: NodeReading, folder: Path | None = FOLDER) -> tuple[str, ...]:
    return node_problems(of, DRIVER, folder)


def test_a_node_like_the_driver_passes() -> None:
    assert problems(reading()) == ()


def test_another_version_is_named_beside_the_drivers() -> None:
    node = replace(NODE, versions=VERSIONS | {"peft": "0.20.0", "Python": "3.12"}, source="other")
    assert problems(reading(node)) == (
        "it has Python 3.12 instead of 3.11 and peft 0.20.0 instead of 0.21.2",
    )


def test_what_is_not_installed_is_no_other_version() -> None:
    node = replace(NODE, versions=VERSIONS | {"deft-sweeps": None, "ray": None}, source="")
    assert problems(reading(node)) == ("deft-sweeps and ray not installed there",)


def test_other_source_files_under_the_same_version_are_noticed() -> None:
    (problem,) = problems(reading(replace(NODE, source="abd")))
    assert problem.startswith("its deft_sweeps has other source files")


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ("absent", "it has no /shared/runs/first: mount"),
        ("another", "its /shared/runs/first is another folder"),
        ("Read-only file system", "cannot write to /shared/runs/first: Read-only file system"),
    ],
)
def test_a_folder_that_is_not_shared_is_named(answer: str, part: str) -> None:
    node = replace(NODE, folder_problem=answer)
    (problem,) = problems(reading(node, reply_seen=False))
    assert part in problem
    assert problems(reading(node), None) == (), "not every task needs the folder"


def test_a_file_that_does_not_reach_the_driver_is_no_shared_folder() -> None:
    (problem,) = problems(reading(reply_seen=False))
    assert "what it writes to /shared/runs/first does not reach the driver" in problem


@pytest.mark.parametrize(
    ("clock", "beginning"),
    [
        (994.5, ""),
        (1005.5, ""),
        (993.0, "its clock is 6 s behind the driver's"),
        (4601.0, "its clock is 3600 s ahead of the driver's"),
    ],
)
def test_a_clock_is_apart_if_no_time_between_question_and_answer_fits(
    clock: float, beginning: str
) -> None:
    named = problems(reading(replace(NODE, clock=clock)))
    assert "".join(named).startswith(beginning)
    assert bool(named) == bool(beginning)


def test_shared_memory_must_hold_rays_object_store() -> None:
    node = replace(NODE, shared_memory_bytes=64 * 2**20)
    (problem,) = problems(reading(node))
    assert "its /dev/shm of 64.0 MiB is too small for Ray's object store of 512.0 MiB" in problem
    assert problems(reading(replace(NODE, shared_memory_bytes=None))) == ()


def test_every_problem_is_named_at_once() -> None:
    node = replace(NODE, clock=0.0, folder_problem="absent", shared_memory_bytes=0, source="x")
    assert len(problems(reading(node))) == 4


def test_a_gpu_whose_share_does_not_hold_a_trial_is_named() -> None:
    """Shares are of each GPU, so a smaller one gives less."""
    node = reading(replace(NODE, gpu_bytes=16 * 2**30))
    assert node_problems(node, DRIVER, FOLDER, 16 * 2**30) == ()
    (problem,) = node_problems(node, DRIVER, FOLDER, 40 * 2**30)
    assert problem.startswith("its GPU of 16.00 GiB is too small: a trial's share is enough of one")
    assert node_problems(reading(), DRIVER, FOLDER, 40 * 2**30) == (), "its size is not known"
