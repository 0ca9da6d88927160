"""Where Ray Tune's trials run on a cluster: on nodes that have passed the check."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ray.exceptions import RayError
from ray.tune import PlacementGroupFactory
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table

from deft_sweeps.sweep.abandoned_request import release_abandoned, request_name
from deft_sweeps.sweep.cluster_node import NODE_ID_LABEL

_WAITING_STATES = ("PENDING", "RESCHEDULING")
_RELEASE_SEC = 10.0
"""Of waiting, before another look at what ended drivers hold."""


class TrialPlacement(PlacementGroupFactory):  # type: ignore[misc]  # Ray ships no types
    """Requests a trial's resources, and counts the requests that no node has met yet.

    Which nodes are left out is asked at each request. It is no part of what makes two requests
    equal, so a worker that is free still takes any next trial.

    Args:
        needs: of one trial, by Ray's names, each > 0.
        excluded: lists the ids of nodes that get no trials.
    """

    def __init__(self, needs: Mapping[str, float], excluded: Callable[[], Sequence[str]]) -> None:
        super().__init__([dict(needs)])
        self._excluded = excluded
        self._waiting: list[PlacementGroup] = []
        self._released_at = time.monotonic()

    def to_placement_group(self) -> PlacementGroup:
        """Request the resources."""
        selector = elsewhere(self._excluded())
        group = placement_group(
            self.bundles,
            name=request_name(),
            bundle_label_selector=[selector] if selector else None,
        )
        self._waiting.append(group)
        return group

    def n_waiting(self) -> int:
        """Requests that are waiting for resources.

        While some are, those of ended drivers are given back.
        """
        self._waiting = [
            group
            for group in self._waiting
            if placement_group_table(group).get("state") in _WAITING_STATES
        ]
        if self._waiting and time.monotonic() - self._released_at >= _RELEASE_SEC:
            self._released_at = time.monotonic()
            with suppress(RayError):  # The head is restarting: the next look finds them.
                release_abandoned()
        return len(self._waiting)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TrialPlacement":
        """Itself: Tune copies its settings for each trial."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """As a plain request: what lists the nodes stays with the driver."""
        return PlacementGroupFactory, (self.bundles,)


def elsewhere(excluded: Sequence[str]) -> dict[str, str]:
    """A label selector for nodes other than these."""
    return {NODE_ID_LABEL: f"!in({','.join(excluded)})"} if excluded else {}
