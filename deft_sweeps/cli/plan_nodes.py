"""What `plan --nodes` shows of a sweep on machines that are only described."""

from typing import Any

from deft_sweeps.projection.cluster_projection import ClusterProjection
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.units import count, duration, gpu_part, size


def nodes_table(projected: ClusterProjection) -> ReportTable:
    """A row a kind of machine."""
    rows = tuple(
        Row((str(one.kind), str(one.n_slots), one.reason or f"{one.kind.n_nodes * one.n_slots}"))
        for one in projected.kinds
    )
    note = "a trial asks for what the largest one is projected to need; nothing was measured"
    return ReportTable("machines", ("kind", ">trials on each", "in all"), rows, note)


def nodes_lines(projected: ClusterProjection, n_trials: int) -> list[str]:
    """How many trials run at a time, how long they take, and what fits on no machine."""
    lines = []
    if projected.gpu_share:
        lines.append(f"a trial gets {gpu_part(projected.gpu_share)}")
    lines += [
        f"fits on none of these machines: {label}, which needs {size(n_bytes)} (projected)"
        for label, n_bytes in projected.fits_nowhere.items()
    ]
    if projected.time_sec is None:
        return [*lines, "projected on these machines: no trial fits, so the sweep would not start"]
    return [
        *lines,
        f"projected on these machines: {count(projected.n_parallel, 'trial')} at a time,"
        f" {duration(projected.time_sec)} for {n_trials}",
    ]


def nodes_dict(projected: ClusterProjection) -> dict[str, Any]:
    """The same for programs."""
    return {
        "gpus_per_trial": projected.gpu_share,
        "n_parallel": projected.n_parallel,
        "time_sec": projected.time_sec,
        "fits_nowhere": [
            {"label": label, "memory_bytes": n_bytes}
            for label, n_bytes in projected.fits_nowhere.items()
        ],
        "kinds": [
            {
                "n_nodes": one.kind.n_nodes,
                "cpus": one.kind.cpus,
                "memory_bytes": one.kind.memory_bytes,
                "gpus": one.kind.gpus,
                "gpu_bytes": one.kind.gpu_bytes,
                "n_slots": one.n_slots,
                "reason": one.reason,
            }
            for one in projected.kinds
        ],
    }
