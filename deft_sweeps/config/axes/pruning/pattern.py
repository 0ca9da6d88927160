"""Where pruned weights may lie."""

from typing import Literal

Pattern = Literal["unstructured", "2:4", "4:8"]
"""Where pruned weights may lie: anywhere, or n zeros in every group of m inputs of a row, which
sparse tensor cores can skip."""


def group_of(pattern: Pattern) -> int | None:
    """M of an n:m pattern, the inputs that are pruned together; None where there are no groups."""
    return None if pattern == "unstructured" else int(pattern.partition(":")[2])
