"""Whether trials run on GPUs where the budget says nothing; test_gpu_share.py has a real Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.sweep import automatic_gpus
from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
from deft_sweeps.sweep.cluster_node import ClusterNode
from deft_sweeps.sweep.local_ray import Session
from tests.fakes import fake_spec

CLUSTER, LOCAL = Session(Path(), None, "head:6379"), Session(Path(), 2)
SPEC = fake_spec()


def of_cluster(monkeypatch: pytest.MonkeyPatch, n_gpus: float, gpu_bytes: int | None) -> None:
    """Attach to one node with such GPUs."""
    nodes = [ClusterNode("a", "a", "10.0.0.1", {"CPU": 4.0, "GPU": n_gpus})]
    monkeypatch.setattr(automatic_gpus, "live_nodes", lambda: nodes)

    @contextmanager
    def watching(*_: Any, **__: Any) -> Iterator[Any]:
        yield SimpleNamespace(wait=lambda: None, gpu_bytes=lambda: [gpu_bytes])

    monkeypatch.setattr(automatic_gpus, "node_watch", watching)


def decided(spec: SweepSpec = SPEC, session: Session = CLUSTER) -> tuple[float | None, str]:
    said = list[str]()
    return with_automatic_gpus(spec, session, said.append).budget.gpus_per_trial, "".join(said)


def test_a_local_ray_and_a_set_share_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    of_cluster(monkeypatch, 1.0, 2**40)
    assert decided(session=LOCAL) == (None, "")
    for share in (0.0, 0.5):
        explicit = replace(SPEC, budget=replace(SPEC.budget, gpus_per_trial=share))
        assert decided(explicit) == (share, "")


def test_a_cluster_without_gpus_runs_trials_on_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    of_cluster(monkeypatch, 0.0, None)
    assert decided() == (0.0, "")


def test_gpus_of_unknown_size_are_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    of_cluster(monkeypatch, 2.0, None)
    share, sentence = decided()
    assert share == 1.0
    assert sentence.startswith("each trial runs on a whole GPU, by projected memory: ")


def test_gpus_that_hold_no_trial_are_left_out_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_cluster(monkeypatch, 2.0, 2**20)
    share, sentence = decided()
    assert share == 0.0
    assert sentence.startswith("trials run on CPUs: ")
