"""Names of points as elements of the page, by which tables and figures refer to the same point."""

from deft_sweeps.findings.front_member import FrontMember


def point_id(trial_id: str, at: str) -> str:
    """Name of a point's element in the scatter; `at` is `Point.at`."""
    return f"point-{trial_id}-{at}"


def ref_of(member: FrontMember) -> str:
    """Name of a member's element in the scatter."""
    return point_id(member.result.trial_id, member.point.at)
