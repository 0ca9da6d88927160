"""Measures trained weights in the runtime that will serve them: exported, then run alone.

Both methods are called in a process of their own, as `trial.final_measurement` is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from deft_sweeps.deploy.answer_decoder import AnswerDecoder, Outputs
from deft_sweeps.deploy.bundle_export import export_choice
from deft_sweeps.deploy.bundle_reader import open_tokenizer
from deft_sweeps.deploy.deployment_check import deployed_targets
from deft_sweeps.deploy.exported_choice import ExportedChoice
from deft_sweeps.deploy.manifest import Answer, Manifest
from deft_sweeps.deploy.runtime_run import RuntimeRunner, file_bytes, reference_of
from deft_sweeps.deploy.runtimes.runtime_kinds import RUNTIMES
from deft_sweeps.errors import StoreError
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.result import CompleteTrial, FinalMeasurement, Point, StructureCost
from deft_sweeps.specification.deployment_setting import Deployment
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.task_metrics import Scored
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.location import located_task
from deft_sweeps.tasks.split import Examples
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.run_provenance import provenance
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

_COST_EXAMPLES = 64
"""Validation examples that a structure's requests are made of."""


@dataclass(frozen=True, slots=True)
class _Run:
    manifest: Manifest
    scored: Scored
    latency_sec: float
    latency_high_sec: float | None
    peak_bytes: int
    artifact_bytes: int


@dataclass(frozen=True, slots=True)
class DeployedMeasurement:
    """Measures trained weights of a sweep in the runtime that its spec deploys to.

    Both methods raise ConfigError if the trial cannot be exported for the runtime, and BundleError
    if the runtime failed.

    Attributes:
        sweep: that the trials are of.
        spec: of the sweep, with a `deploy`.
    """

    sweep: SweepDir
    spec: SweepSpec

    def final(self, job: FinalJob, factory: TorchTrialStarterFactory) -> FinalMeasurement:
        """As `measure_final`, but the score and the costs are the runtime's.

        Density and energy are counted in torch at the same threshold.
        """
        measured = measure_final(job, factory)
        examples = getattr(self._splits(job), job.split)
        run = self._run(job, measured.point, examples, factory.n_threads)
        scored = run.scored
        return replace(
            measured,
            runtime=self._deploy.runtime,
            point=replace(
                measured.point,
                score=scored.score,
                example_scores=scored.example_scores,
                outcomes=scored.outcomes,
            ),
            cost=replace(
                measured.cost,
                weight_bytes=run.artifact_bytes,
                peak_memory_bytes=run.peak_bytes,
                latency_sec=run.latency_sec,
                latency_high_sec=run.latency_high_sec,
            ),
        )

    def structure(self, job: FinalJob, factory: TorchTrialStarterFactory) -> StructureCost:
        """As `measure_structure`, of the runtime and its artefact.

        The threshold is 0: of all runtimes only `sparse`, which no spec names, is faster at
        another.
        """
        point = replace(
            self._trial(job).points[0], threshold=0.0, percentile=None, block_thresholds=()
        )
        examples = self._splits(job).validation[:_COST_EXAMPLES]
        run = self._run(job, point, examples, factory.n_threads)
        manifest = run.manifest
        return StructureCost(
            trial_id=job.trial_id,
            latency_sec=run.latency_sec,
            latency_high_sec=run.latency_high_sec,
            peak_memory_bytes=run.peak_bytes,
            provenance=provenance(factory().device, manifest.fingerprint, manifest.base.revision),
            runtime=self._deploy.runtime,
            batch=self._deploy.batch,
            file_bytes=run.artifact_bytes,
        )

    @property
    def _deploy(self) -> Deployment:
        if self.spec.deploy is None:
            raise TypeError("the spec names no runtime")
        return self.spec.deploy

    def _splits(self, job: FinalJob) -> Examples:
        return read_splits(located_task(job.config.task, self.spec.folder))

    def _trial(self, job: FinalJob) -> CompleteTrial:
        trial = self.sweep.result(job.trial_id)
        if not isinstance(trial, CompleteTrial):
            raise StoreError(f"{job.trial_id} is no complete trial of {self.sweep.root}")
        return trial

    def _run(
        self, job: FinalJob, point: Point, examples: Sequence[Example], n_threads: int
    ) -> _Run:
        deploy = self._deploy
        answer = Answer(verdict="exported to be measured")
        choice = ExportedChoice(
            self.sweep, self.spec, self._trial(job), point, answer, (), NO_SCORES
        )
        with TemporaryDirectory(prefix="deft-sweeps-deploy-") as scratch:
            bundle = Path(scratch) / "bundle"
            manifest = export_choice(choice, bundle, deployed_targets(deploy))
            runner = RuntimeRunner(bundle, examples, n_threads, Path(scratch), deploy.batch)
            run = runner.run(deploy.runtime)
            return _Run(
                manifest,
                _scored(bundle, manifest, examples, run.outputs),
                run.costs["latency"]["median"],
                run.costs["latency"]["high"],
                run.costs["peak_bytes"],
                file_bytes(bundle, manifest, RUNTIMES[deploy.runtime].needs),
            )


def _scored(
    bundle: Path, manifest: Manifest, examples: Sequence[Example], outputs: Outputs
) -> Scored:
    decoder = AnswerDecoder(manifest, open_tokenizer(bundle))
    references = [reference_of(manifest, example) for example in examples]
    return decoder.scored(examples, references, outputs)
