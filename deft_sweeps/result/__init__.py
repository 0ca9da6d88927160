"""What trials give: measured points, costs, how a trial ended, what was measured on test."""

from deft_sweeps.result.certificate_chain import Candidate, Chain
from deft_sweeps.result.final_result import FinalMeasurement, FinalRole
from deft_sweeps.result.measured_point import (
    DensityReading,
    Point,
    Score,
    SkippedBlocks,
    point_name,
)
from deft_sweeps.result.out_of_memory import MachineShare, OutOfMemory, shares_of
from deft_sweeps.result.run_cost import Cost, Label
from deft_sweeps.result.structure_cost import StructureCost
from deft_sweeps.result.training_progress import (
    Advance,
    PartialTraining,
    Rung,
    StepMetrics,
    TrainingAtRung,
)
from deft_sweeps.result.trial_result import (
    SCHEMA_VERSION,
    BlockGates,
    CompleteTrial,
    EndedTrial,
    FailedTrial,
    Provenance,
    Status,
    StoppedTrial,
    TrialResult,
    complete_trials,
    read_result,
)

__all__ = [
    "SCHEMA_VERSION",
    "Advance",
    "BlockGates",
    "Candidate",
    "Chain",
    "CompleteTrial",
    "Cost",
    "DensityReading",
    "EndedTrial",
    "FailedTrial",
    "FinalMeasurement",
    "FinalRole",
    "Label",
    "MachineShare",
    "OutOfMemory",
    "PartialTraining",
    "Point",
    "Provenance",
    "Rung",
    "Score",
    "SkippedBlocks",
    "Status",
    "StepMetrics",
    "StoppedTrial",
    "StructureCost",
    "TrainingAtRung",
    "TrialResult",
    "complete_trials",
    "point_name",
    "read_result",
    "shares_of",
]
