"""What was measured once on the test split."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.result.measured_point import Point
from deft_sweeps.result.run_cost import Cost
from deft_sweeps.result.trial_result import SCHEMA_VERSION, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMeasurement:
    """A point measured once on the test split, alone in a fresh process.

    Attributes:
        role: `chosen`; `baseline`, the plain PEFT that the policy compares with; `twin`, plain PEFT
            of the same other settings as the chosen one, thresholded to the chosen one's density.
        point: on the test split; a twin's threshold was calibrated on validation examples.
    """

    role: Literal["chosen", "baseline", "twin"]
    trial_id: str
    point: Point
    cost: Cost
    provenance: Provenance
    schema_version: int = SCHEMA_VERSION
