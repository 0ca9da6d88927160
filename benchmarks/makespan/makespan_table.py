"""The tables of the benchmark, as text."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks.makespan.phases import LIKE_FOR_LIKE, Seconds, total
from benchmarks.makespan.sides import SideRun


def by_name(runs: Iterable[SideRun]) -> dict[str, list[SideRun]]:
    """Runs of each side, in the order in which the sides first ran."""
    sides: dict[str, list[SideRun]] = {}
    for run in runs:
        sides.setdefault(run.name, []).append(run)
    return sides


def like_for_like(run: SideRun) -> Seconds:
    """What a run took without the phases that a plain script has not."""
    return total(run.phases, LIKE_FOR_LIKE)


def ratios(
    runs: Sequence[SideRun], others: Sequence[SideRun], *, whole: bool
) -> list[tuple[float, float]]:
    """Of wall and CPU seconds, `runs` over `others`, pair by pair.

    Args:
        runs: of one side.
        others: of the other; of each pair's.
        whole: end to end; else like for like.
    """
    pairs = zip(runs, others, strict=True)
    each = [(a.whole, b.whole) if whole else (like_for_like(a), like_for_like(b)) for a, b in pairs]
    return [(a.wall / b.wall, a.cpu / b.cpu) for a, b in each]


def lines(runs: Sequence[SideRun], ours: str) -> Iterator[str]:
    """A row for each side and phase, medians over the pairs; then the ratios, script over ours.

    Args:
        runs: of both sides, a run of each side a pair.
        ours: name of this project's side.
    """
    sides = by_name(runs)
    n_pairs = len(sides[ours])
    yield f"| medians of {n_pairs} | wall s | CPU s |"
    yield "| --- | --- | --- |"
    for name, of_side in sides.items():
        yield _row(name, [run.whole for run in of_side])
        for phase in of_side[0].phases:
            yield _row(f"&nbsp; {phase}", [run.phases[phase] for run in of_side])
        if name == ours:
            yield _row("like for like", [like_for_like(run) for run in of_side])
    yield ""
    yield "| script's time over this project's | wall (pairs) | CPU (pairs) |"
    yield "| --- | --- | --- |"
    for name, of_side in sides.items():
        if name == ours:
            continue
        for title, whole in (("like for like", False), ("end to end", True)):
            each = ratios(of_side, sides[ours], whole=whole)
            wall, cpu = (_ratio(values) for values in zip(*each, strict=True))
            yield f"| {name}: {title} | {wall} | {cpu} |"


def _row(name: str, values: Sequence[Seconds]) -> str:
    wall, cpu = median(one.wall for one in values), median(one.cpu for one in values)
    return f"| {name} | {wall:.1f} | {cpu:.1f} |"


def _ratio(values: Sequence[float]) -> str:
    return f"**{median(values):.2f}** ({', '.join(f'{value:.2f}' for value in values)})"
