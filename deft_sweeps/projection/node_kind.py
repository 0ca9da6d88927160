"""Kinds of machines in words: `4x(8 cpu, 64GiB, 1 gpu 40GiB), 2x(16 cpu, 128GiB)`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.units import QUANTITY, parse_quantity, shortened, size

EXAMPLE = "4x(8 cpu, 64GiB, 1 gpu 40GiB), 2x(16 cpu, 128GiB)"
_KIND = re.compile(r"\s*(?:(?P<n>\d+)\s*[xX*]?\s*)?\((?P<parts>[^()]*)\)\s*")
_CPUS = re.compile(r"^(?P<n>\d+)\s*cpus?$", re.IGNORECASE)
_GPUS = re.compile(r"^(?P<n>\d+)\s*gpus?(?P<memory>\s+.*)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NodeKind:
    """Some equal machines.

    Attributes:
        n_nodes: how many, >= 1.
        cpus: cores of one, >= 1.
        memory_bytes: of one; None if it is not said, and then limits nothing.
        gpus: of one.
        gpu_bytes: memory of one GPU; None if it is not said.
    """

    n_nodes: int
    cpus: int
    memory_bytes: int | None = None
    gpus: int = 0
    gpu_bytes: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.cpus} cpu"]
        if self.memory_bytes is not None:
            parts.append(size(self.memory_bytes))
        if self.gpus:
            memory = "" if self.gpu_bytes is None else f" {size(self.gpu_bytes)}"
            parts.append(f"{self.gpus} gpu{memory}")
        return f"{self.n_nodes} x ({', '.join(parts)})"

    @property
    def resources(self) -> dict[str, float]:
        """Of one machine, by Ray's names."""
        memory = float("inf") if self.memory_bytes is None else float(self.memory_bytes)
        return {"CPU": float(self.cpus), "GPU": float(self.gpus), "memory": memory}


def parse_nodes(text: str, where: str = "--nodes") -> tuple[NodeKind, ...]:
    """Read kinds of machines.

    Args:
        text: kinds with commas between them, each `N x (parts)`; `N x` may be left out for one.
            Parts are `8 cpu`, an amount of memory, and `1 gpu` with or without the memory of one.
        where: the text is from, for messages.

    Raises:
        ConfigError: names everything that cannot be read.
    """
    problems: list[Problem] = []
    kinds: list[NodeKind] = []
    rest = text.strip()
    while rest:
        match = _KIND.match(rest)
        if match is None:
            problems.append(_problem(where, f"cannot read {shortened(rest)!r}"))
            break
        kind, complaints = _kind(int(match["n"] or 1), match["parts"])
        problems += [_problem(where, complaint) for complaint in complaints]
        if kind is not None:
            kinds.append(kind)
        rest = rest[match.end() :]
        if rest and not rest.startswith(","):
            problems.append(_problem(where, f"expected a comma before {shortened(rest)!r}"))
            break
        rest = rest.removeprefix(",").strip()
    if not kinds and not problems:
        problems.append(_problem(where, "names no machine"))
    if problems:
        raise ConfigError(problems)
    return tuple(kinds)


def _problem(where: str, what: str) -> Problem:
    return Problem(where, what, f'expected something like "{EXAMPLE}"')


def _kind(n_nodes: int, parts: str) -> tuple[NodeKind | None, list[str]]:
    """A kind, or none, and what is wrong with its words."""
    numbers: dict[str, int] = {}
    complaints: list[str] = []
    for part in filter(None, (piece.strip() for piece in parts.split(","))):
        try:
            for name, value in _numbers(part):
                if name in numbers:
                    complaints.append(f"{shortened(part)!r} says {name.split('_')[0]} twice")
                numbers[name] = value
        except ValueError as error:
            complaints.append(str(error))
    if "cpus" not in numbers:
        complaints.append(f"({shortened(parts)}) does not say how many cpu")
    if n_nodes < 1 or numbers.get("cpus", 1) < 1:
        complaints.append(f"({shortened(parts)}) needs at least one machine with one cpu")
    return (None if complaints else NodeKind(n_nodes, **numbers)), complaints


def _numbers(part: str) -> Iterator[tuple[str, int]]:
    """What one part says, by the name of NodeKind's field.

    Raises:
        ValueError: it says nothing.
    """
    if cpus := _CPUS.match(part):
        yield "cpus", int(cpus["n"])
    elif gpus := _GPUS.match(part):
        yield "gpus", int(gpus["n"])
        if gpus["memory"]:
            yield "gpu_bytes", _bytes(gpus["memory"].strip())
    elif re.match(rf"^{QUANTITY}$", part):
        yield "memory_bytes", _bytes(part)
    else:
        raise ValueError(f"cannot read {shortened(part)!r}")


def _bytes(text: str) -> int:
    n_bytes = parse_quantity(text, "bytes", "memory")
    if n_bytes < 2**20:
        raise ValueError(f"{shortened(text)!r} needs a unit of memory, GiB say")
    return int(n_bytes)
