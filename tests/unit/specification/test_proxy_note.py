"""What a search has only a proxy of is said wherever the spec makes it count."""

from dataclasses import replace

import pytest

from deft_sweeps.objective import parse_policy
from deft_sweeps.specification.proxy_note import proxy_note
from tests.fakes import fake_spec

SPEC = fake_spec()


@pytest.mark.parametrize(
    ("objectives", "choose", "named"),
    [
        (("score", "latency_sec"), "knee", ["objective latency_sec"]),
        (
            ("score", "weight_bytes"),
            "best peak_memory_bytes where latency_sec <= 20 ms and score >= 0.7",
            ["choose: best peak_memory_bytes", "choose: `latency_sec <= 20 ms`"],
        ),
        (("score", "weight_bytes"), "best score where weight_bytes <= 1 MiB", []),
    ],
)
def test_objectives_and_what_choose_looks_at_are_named(
    objectives: tuple[str, ...], choose: str, named: list[str]
) -> None:
    note = proxy_note(replace(SPEC, objectives=objectives, choose=parse_policy(choose)))
    if not named:
        assert note == ""
        return
    assert note.startswith(f"{'; '.join(named)}: what trials measure is a proxy")
