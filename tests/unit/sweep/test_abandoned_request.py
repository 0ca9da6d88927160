"""Only what ended drivers of sweeps hold is given back."""

import pytest

from deft_sweeps.sweep import abandoned_request
from deft_sweeps.sweep.abandoned_request import release_abandoned, request_name

ENDED, LIVE = "02000000", "03000000"


def test_requests_of_ended_sweeps_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of a live driver, of another program, or that were given back before."""
    requests = {
        "a" * 28 + ENDED: (request_name(), "CREATED"),
        "b" * 28 + ENDED: (request_name(), "REMOVED"),
        "c" * 28 + LIVE: (request_name(), "CREATED"),
        "d" * 28 + ENDED: ("serving", "CREATED"),
        "e" * 28 + ENDED: (request_name(), "PENDING"),
    }
    table = {one: {"name": name, "state": state} for one, (name, state) in requests.items()}
    jobs = [{"JobID": ENDED, "IsDead": True}, {"JobID": LIVE, "IsDead": False}]
    removed = list[str]()
    monkeypatch.setattr("ray._private.state.jobs", lambda: jobs)
    monkeypatch.setattr(abandoned_request, "placement_group_table", lambda: table)
    monkeypatch.setattr(
        abandoned_request, "remove_placement_group", lambda group: removed.append(group.id.hex())
    )
    assert release_abandoned() == 2
    assert removed == ["a" * 28 + ENDED, "e" * 28 + ENDED]


def test_no_two_requests_have_one_name() -> None:
    """Ray refuses the second of them."""
    assert request_name() != request_name()
