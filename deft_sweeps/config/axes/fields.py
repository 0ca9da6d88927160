"""The one wording of a field out of its range."""


def check(holds: bool, expected: str, got: object) -> None:
    """Raise ValueError with one wording when a field is out of its range."""
    if not holds:
        raise ValueError(f"expected {expected}, got {got!r}")
