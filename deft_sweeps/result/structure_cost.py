"""Latency and memory of one structure, measured alone."""

from dataclasses import dataclass

from deft_sweeps.result.trial_result import SCHEMA_VERSION, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureCost:
    """What every trial of a structure costs when it is deployed.

    Attributes:
        trial_id: the trial whose weights were measured.
        latency_sec: median of one forward pass over the evaluation's fixed batch, with nothing
            beside it.
        latency_high_sec: as a `Cost` has it.
        peak_memory_bytes: of a fresh process that builds the model and answers one batch, above its
            size after imports; of the device's allocator on CUDA. Training is no part of it.
        runtime: that was measured, with its libraries in the peak, on requests of `batch` texts;
            empty is the trial itself.
        file_bytes: of the exported artefact that the runtime reads; None of the trial itself.
    """

    trial_id: str
    latency_sec: float
    latency_high_sec: float | None
    peak_memory_bytes: int
    provenance: Provenance
    runtime: str = ""
    batch: int = 0
    file_bytes: int | None = None
    schema_version: int = SCHEMA_VERSION
