"""The check on a real node, which is this machine; tests/hosts has several."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.sweep import node_watch as module
from deft_sweeps.sweep.node_watch import NodeWatch, node_watch

pytestmark = pytest.mark.usefixtures("one_ray")
WHERE = "--ray-address head:6379"


def test_a_sound_node_passes_and_leaves_no_file(tmp_path: Path) -> None:
    warnings = list[str]()
    with node_watch(tmp_path, warn=warnings.append) as watch:
        watch.require(WHERE)
        (node,) = watch.nodes()
        assert node.resources["CPU"] == 2.0
        assert watch.excluded() == []
        assert [path.name for path in tmp_path.iterdir()] == [watch.marker and watch.marker.name]
    assert list(tmp_path.iterdir()) == []
    assert warnings == []


def test_a_cluster_without_a_sound_node_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with node_watch(tmp_path) as watch:
        as_if_other(watch)
        with pytest.raises(ConfigError) as error:
            watch.require(WHERE)
    (problem,) = error.value.problems
    assert str(problem).startswith(f"{WHERE}: no node can run trials: ")
    assert "instead of 9.9" in str(problem)
    assert "\n" not in str(problem)


def test_a_node_that_fails_is_named_once_and_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = list[str]()
    monkeypatch.setattr(module, "RETRY_SEC", 0.0)
    with node_watch(tmp_path, warn=warnings.append) as watch:
        sound = watch._driver
        as_if_other(watch)
        watch.nodes()
        wait_for_answers(watch)
        assert watch.nodes() == []
        assert len(watch.excluded()) == 1
        wait_for_answers(watch)
        watch.nodes()
        (warning,) = warnings
        assert warning.startswith("no trials on ")
        watch._driver = sound
        wait_for_answers(watch)
        watch.nodes()
        wait_for_answers(watch)
        assert len(watch.nodes()) == 1, "its user has mended it"
        assert len(warnings) == 1


def test_nodes_without_room_are_not_checked(tmp_path: Path) -> None:
    with node_watch(tmp_path, is_candidate=lambda node: node.resources["CPU"] > 2) as watch:
        watch.require(WHERE)
        assert watch.nodes() == []
        assert watch.verdicts == {}


def test_files_of_drivers_that_were_killed_are_removed_after_a_day(tmp_path: Path) -> None:
    stale, fresh = tmp_path / ".node-check-1", tmp_path / ".node-check-2"
    for path in (stale, fresh):
        path.touch()
    yesterday = time.time() - 2 * 86400
    os.utime(stale, (yesterday, yesterday))
    with node_watch(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [fresh]


def as_if_other(watch: NodeWatch) -> None:
    """Let the driver have another version of peft than its nodes."""
    versions = dict(watch._driver.versions) | {"peft": "9.9"}
    watch._driver = replace(watch._driver, versions=versions)


def wait_for_answers(watch: NodeWatch) -> None:
    import ray

    references = [question.reference for question in watch._sent.values()]
    ray.wait(references, num_returns=len(references), timeout=60)
