"""Resources of a cluster that a driver requested after Ray had declared it dead.

A driver whose own node ends may live for some seconds more. What it requests then is granted, and
Ray gives back only what a job holds when it ends: the resources would be held until the head ends.
"""

import uuid

import ray
from ray._raylet import PlacementGroupID
from ray.util.placement_group import (
    PlacementGroup,
    placement_group_table,
    remove_placement_group,
)

_PREFIX = "deft-sweeps trial "


def request_name() -> str:
    """A name for a trial's request, by which other drivers know whose it is."""
    return f"{_PREFIX}{uuid.uuid4().hex}"


def release_abandoned() -> int:
    """Releases the resources that sweeps with an ended driver still hold.

    Returns:
        The number of requests that were released.

    Raises:
        RayError: the cluster does not answer.
    """
    ended = {job["JobID"] for job in ray._private.state.jobs() if job["IsDead"]}
    # The number of the job that made it is the end of a request's id.
    abandoned = [
        request
        for request, row in placement_group_table().items()
        if row["state"] != "REMOVED"
        and row["name"].startswith(_PREFIX)
        and any(request.endswith(job) for job in ended)
    ]
    for request in abandoned:
        remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(request))))
    return len(abandoned)
