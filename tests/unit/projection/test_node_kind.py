"""Machines in words."""

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.projection.node_kind import EXAMPLE, NodeKind, parse_nodes

GIB = 2**30


def test_the_example_is_read() -> None:
    assert parse_nodes(EXAMPLE) == (
        NodeKind(4, 8, 64 * GIB, 1, 40 * GIB),
        NodeKind(2, 16, 128 * GIB),
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(2 cpu)", NodeKind(1, 2)),
        (" 3 x ( 1 CPU , 512 MiB ) ", NodeKind(3, 1, 512 * 2**20)),
        ("10 (4 cpus, 2 gpus)", NodeKind(10, 4, None, 2)),
        ("2x(4 cpu, 1 gpu 1e2GiB, 8GB)", NodeKind(2, 4, 8 * 10**9, 1, 100 * GIB)),
    ],
)
def test_other_ways_of_writing_are_read(text: str, kind: NodeKind) -> None:
    assert parse_nodes(text) == (kind,)
    assert parse_nodes(str(kind))[0].cpus == kind.cpus, "what is shown can be typed"


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("", ["names no machine"]),
        ("4 nodes", ["cannot read '4 nodes'"]),
        ("2x(8 cpu) 3x(4 cpu)", ["expected a comma before '3x(4 cpu)'"]),
        ("(64GiB)", ["does not say how many cpu"]),
        ("(8 cpu, 64)", ["'64' needs a unit of memory, GiB say"]),
        ("(8 cpu, 64 GiBs)", ["no unit 'GiBs' for memory"]),
        ("(8 cpu, fast)", ["cannot read 'fast'"]),
        ("(8 cpu, 4 cpu)", ["'4 cpu' says cpus twice"]),
        ("0x(8 cpu)", ["at least one machine with one cpu"]),
        ("(0 cpu)", ["at least one machine with one cpu"]),
        ("(8 cpu, 1 tpu), (quick, 64)", ["'tpu'", "'quick'", "'64'", "(quick, 64) does not say"]),
    ],
)
def test_everything_that_is_wrong_is_named_with_an_example(
    text: str, complaints: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_nodes(text)
    said = [str(problem) for problem in refused.value.problems]
    assert len(said) == len(complaints)
    for complaint, line in zip(complaints, said, strict=True):
        assert complaint in line
        assert EXAMPLE in line
