"""What the chosen configuration will run in, where a sweep says so."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes import check

RuntimeName = Literal["torch", "onnx", "onnx-int8", "ct2", "ct2-int8"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The runtime that will serve the choice.

    Attributes:
        runtime: measures latency, peak memory and bytes on the exported artefact, and scores
            candidates and the choice: `onnx`, `onnx-int8`, `ct2` and `ct2-int8` need the extra of
            that name; `torch` computes the exported weights in this package.
        batch: texts a request, from 1 to 1024; the latency is a request's.
    """

    runtime: RuntimeName
    batch: int = 1

    def __post_init__(self) -> None:
        check(self.batch >= 1, "batch >= 1", self.batch)
        check(self.batch <= 1024, "batch <= 1024", self.batch)

    @property
    def has_threshold(self) -> bool:
        """Whether the runtime drops gate entries; CTranslate2 computes with all."""
        return not self.runtime.startswith("ct2")

    def __str__(self) -> str:
        return f"{self.runtime}, {self.batch} {'text' if self.batch == 1 else 'texts'} a request"
