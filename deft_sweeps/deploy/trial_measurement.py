"""Measures a trained trial alone: as it was trained, or in the runtime that its sweep deploys to.

The driver ships this to a process of the measurement's own, which alone loads torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from deft_sweeps.result import FinalMeasurement, StructureCost
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory


@dataclass(frozen=True, slots=True)
class TrialMeasurement:
    """Measures trained weights of a sweep.

    Attributes:
        sweep: that the trials are of.
        spec: of the sweep.
    """

    sweep: SweepDir
    spec: SweepSpec

    def finals(self, factory: TorchTrialStarterFactory) -> Callable[[FinalJob], FinalMeasurement]:
        """Measures score, density and costs on the job's split, for jobs of one structure."""
        from deft_sweeps.deploy.deployed_measurement import DeployedMeasurement
        from deft_sweeps.trial.final_measurement import final_measurements

        if self.spec.deploy is None:
            return final_measurements(factory)
        return partial(DeployedMeasurement(self.sweep, self.spec).final, factory=factory)

    def structures(self, factory: TorchTrialStarterFactory) -> Callable[[FinalJob], StructureCost]:
        """Measures latency and memory of the job's structure."""
        from deft_sweeps.deploy.deployed_measurement import DeployedMeasurement
        from deft_sweeps.trial.final_measurement import measure_structure

        if self.spec.deploy is None:
            return partial(measure_structure, factory=factory)
        return partial(DeployedMeasurement(self.sweep, self.spec).structure, factory=factory)
