"""A trained tiny trial measured in the runtime that is to serve it."""

from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.deploy.deployed_measurement import DeployedMeasurement
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.errors import ConfigError
from deft_sweeps.result import CompleteTrial
from deft_sweeps.specification.deployment_setting import Deployment, RuntimeName
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.unit.deploy.made_bundles import bundle_of, tiny_sweep

THRESHOLD = 0.05


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    return tiny_sweep(tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def job(sweep: SweepDir) -> FinalJob:
    (trial_id,) = sweep.trial_ids()
    trial = sweep.result(trial_id)
    assert isinstance(trial, CompleteTrial)
    weights = read_weights(sweep.weights_path(trial_id))
    return FinalJob("chosen", trial.config, trial.seed, weights, threshold=THRESHOLD)


def factory(sweep: SweepDir) -> TorchTrialStarterFactory:
    evaluation = replace(stored_spec(sweep).evaluation, batch_size=8)
    return TorchTrialStarterFactory(evaluation, 1)


def measurement_in(sweep: SweepDir, deploy: Deployment) -> DeployedMeasurement:
    return DeployedMeasurement(sweep, replace(stored_spec(sweep), deploy=deploy))


def test_the_score_is_the_runtimes_and_the_density_is_torchs(
    sweep: SweepDir, job: FinalJob
) -> None:
    alone = measure_final(job, factory(sweep))
    deployed = measurement_in(sweep, Deployment("onnx")).final(job, factory(sweep))
    assert (alone.runtime, deployed.runtime) == ("", "onnx")
    # float32 in both, so every example is answered alike.
    assert deployed.point == replace(alone.point, loss=deployed.point.loss)
    assert deployed.cost.weight_bytes > alone.cost.weight_bytes
    assert deployed.cost.latency_high_sec is not None
    assert 0 < deployed.cost.latency_sec <= deployed.cost.latency_high_sec


@pytest.mark.parametrize("runtime", ["torch", "ct2-int8"])
def test_a_structure_costs_what_its_artefact_does(
    runtime: RuntimeName, sweep: SweepDir, job: FinalJob, tmp_path: Path
) -> None:
    deploy = Deployment(runtime, batch=4)
    cost = measurement_in(sweep, deploy).structure(job, factory(sweep))
    manifest = bundle_of(sweep, tmp_path / "out", *([] if runtime == "torch" else [runtime]))
    assert (cost.runtime, cost.batch) == (runtime, 4)
    assert cost.file_bytes == pytest.approx(read_by(manifest, runtime, tmp_path / "out"), rel=0.01)
    assert cost.peak_memory_bytes > (cost.file_bytes or 0)
    assert cost.latency_high_sec is not None
    assert 0 < cost.latency_sec <= cost.latency_high_sec


def read_by(manifest: Manifest, runtime: str, folder: Path) -> int:
    """Bytes of what the runtime opens: its format, or the merged model, and the tokenizer."""
    parts = ("hf" if runtime == "torch" else runtime, "tokenizer")
    files = [name for name in manifest.files if name.split("/")[0] in parts]
    return sum((folder / name).stat().st_size for name in files)


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, "bert")
    (trial_id,) = sweep.trial_ids()
    trial = sweep.result(trial_id)
    assert isinstance(trial, CompleteTrial)
    weights = read_weights(sweep.weights_path(trial_id))
    job = FinalJob("chosen", trial.config, trial.seed, weights, threshold=0.0)
    with pytest.raises(ConfigError, match="--target ct2"):
        measurement_in(sweep, Deployment("ct2")).structure(job, factory(sweep))
