"""What was measured once, alone: on the test split, or a candidate on the selection split."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.result.measured_point import Point, point_name
from deft_sweeps.result.run_cost import Cost
from deft_sweeps.result.trial_result import SCHEMA_VERSION, Provenance

FinalRole = Literal["chosen", "baseline", "twin", "candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMeasurement:
    """A point measured once on the test or the selection split, with nothing beside it.

    Attributes:
        role: `candidate` of the certificate, on the selection split; on the test split `chosen`;
            `baseline`, what the limits compare with, or plain PEFT; or `twin`, plain PEFT of the
            same other settings as the chosen one, thresholded to the chosen one's density.
        runtime: that computed the score and has the costs; empty is the trial itself.
        point: on that split; a twin's threshold was calibrated on validation examples.
    """

    role: FinalRole
    trial_id: str
    point: Point
    cost: Cost
    provenance: Provenance
    runtime: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def name(self) -> str:
        """As a front member's name."""
        return point_name(self.trial_id, self.point.threshold, self.point.percentile)
