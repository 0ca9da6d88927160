"""Requests for a trial's resources leave nodes out without being other requests."""

import copy
import pickle
from typing import Any

import pytest
from ray.tune import PlacementGroupFactory

from deft_sweeps.sweep import trial_placement
from deft_sweeps.sweep.trial_placement import TrialPlacement, elsewhere

NEEDS = {"CPU": 2.0, "memory": 1e9}


def test_nodes_are_left_out_as_they_stand_at_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    excluded = list[str]()
    requested = list[dict[str, Any]]()
    monkeypatch.setattr(
        trial_placement,
        "placement_group",
        lambda bundles, **options: requested.append({"bundles": bundles} | options),
    )
    placement = TrialPlacement(NEEDS, lambda: excluded)
    placement.to_placement_group()
    excluded += ["a1", "b2"]
    placement.to_placement_group()
    names = [request.pop("name") for request in requested]
    assert len(set(names)) == 2
    assert requested == [
        {"bundles": [NEEDS], "bundle_label_selector": None},
        {"bundles": [NEEDS], "bundle_label_selector": [{"ray.io/node-id": "!in(a1,b2)"}]},
    ]


def test_requests_that_leave_out_other_nodes_are_equal() -> None:
    """Tune gives a free worker to a trial with an equal request only."""
    one, other = TrialPlacement(NEEDS, lambda: ["a"]), TrialPlacement(NEEDS, list)
    assert one == other
    assert hash(one) == hash(other)


def test_it_stays_with_the_driver() -> None:
    placement = TrialPlacement(NEEDS, list)
    assert copy.deepcopy({"resources": placement})["resources"] is placement
    shipped = pickle.loads(pickle.dumps(placement))
    assert type(shipped) is PlacementGroupFactory
    assert shipped.bundles == placement.bundles


def test_only_requests_that_are_not_met_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"one": "PENDING", "two": "CREATED", "three": "REMOVED"}
    groups = iter(states)
    monkeypatch.setattr(trial_placement, "placement_group", lambda *_, **__: next(groups))
    monkeypatch.setattr(
        trial_placement, "placement_group_table", lambda group: {"state": states[group]}
    )
    placement = TrialPlacement(NEEDS, list)
    for _ in states:
        placement.to_placement_group()
    assert placement.n_waiting() == 1
    states["one"] = "CREATED"
    assert placement.n_waiting() == 0


def test_a_selector_leaves_out_no_node_unless_there_is_one() -> None:
    assert elsewhere([]) == {}
    assert elsewhere(["a"]) == {"ray.io/node-id": "!in(a)"}
