"""Measures trained weights in the runtime that will serve them: exported, then run alone.

Both functions are called in a process of their own, as those of `trial.final_measurement` are.
"""

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
from deft_sweeps.trial.final_measurement import FinalJob, measure_final
from deft_sweeps.trial.run_provenance import provenance
from deft_sweeps.trial.torch_starter import TorchTrialStarterFactory

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


def measure_final_deployed(
    job: FinalJob,
    factory: TorchTrialStarterFactory,
    sweep: SweepDir,
    spec: SweepSpec,
    deploy: Deployment,
) -> FinalMeasurement:
    """As `measure_final`, but the score and the costs are the runtime's.

    Density and energy are counted in torch at the same threshold.

    Args:
        job: as there.
        factory: as there.
        sweep: that the trial is of.
        spec: of the sweep.
        deploy: the runtime.

    Raises:
        ConfigError: the trial cannot be exported for the runtime.
        BundleError: the runtime failed.
    """
    measured = measure_final(job, factory)
    examples = getattr(read_splits(located_task(job.config.task, spec.folder)), job.split)
    run = _run(_choice(job, measured.point, sweep, spec), deploy, examples, factory.n_threads)
    scored = run.scored
    return replace(
        measured,
        runtime=deploy.runtime,
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


def measure_structure_deployed(
    job: FinalJob,
    factory: TorchTrialStarterFactory,
    sweep: SweepDir,
    spec: SweepSpec,
    deploy: Deployment,
) -> StructureCost:
    """As `measure_structure`, of the runtime and its artefact at threshold 0; no runtime but
    `sparse` computes faster at a higher one.

    Args:
        job: as there.
        factory: as there.
        sweep: that the trial is of.
        spec: of the sweep.
        deploy: the runtime.

    Raises:
        ConfigError: the trial cannot be exported for the runtime.
        BundleError: the runtime failed.
    """
    point = replace(
        _trial(job, sweep).points[0], threshold=0.0, percentile=None, block_thresholds=()
    )
    examples = read_splits(located_task(job.config.task, spec.folder)).validation[:_COST_EXAMPLES]
    run = _run(_choice(job, point, sweep, spec), deploy, examples, factory.n_threads)
    return StructureCost(
        trial_id=job.trial_id,
        latency_sec=run.latency_sec,
        latency_high_sec=run.latency_high_sec,
        peak_memory_bytes=run.peak_bytes,
        provenance=provenance(
            factory().device, run.manifest.fingerprint, run.manifest.base.revision
        ),
        runtime=deploy.runtime,
        batch=deploy.batch,
        file_bytes=run.artifact_bytes,
    )


def _choice(job: FinalJob, point: Point, sweep: SweepDir, spec: SweepSpec) -> ExportedChoice:
    answer = Answer(verdict="exported to be measured")
    return ExportedChoice(sweep, spec, _trial(job, sweep), point, answer, (), NO_SCORES)


def _trial(job: FinalJob, sweep: SweepDir) -> CompleteTrial:
    trial = sweep.result(job.trial_id)
    if not isinstance(trial, CompleteTrial):
        raise StoreError(f"{job.trial_id} is no complete trial of {sweep.root}")
    return trial


def _run(
    choice: ExportedChoice, deploy: Deployment, examples: list[Example], n_threads: int
) -> _Run:
    with TemporaryDirectory(prefix="deft-sweeps-deploy-") as scratch:
        bundle = Path(scratch) / "bundle"
        manifest = export_choice(choice, bundle, deployed_targets(deploy))
        runner = RuntimeRunner(bundle, examples, n_threads, Path(scratch), deploy.batch)
        run = runner.run(deploy.runtime)
        scored = _scored(bundle, manifest, examples, run.outputs)
        return _Run(
            manifest,
            scored,
            run.costs["latency"]["median"],
            run.costs["latency"]["high"],
            run.costs["peak_bytes"],
            file_bytes(bundle, manifest, RUNTIMES[deploy.runtime].needs),
        )


def _scored(bundle: Path, manifest: Manifest, examples: list[Example], outputs: Outputs) -> Scored:
    decoder = AnswerDecoder(manifest, open_tokenizer(bundle))
    references = [reference_of(manifest, example) for example in examples]
    return decoder.scored(examples, references, outputs)
