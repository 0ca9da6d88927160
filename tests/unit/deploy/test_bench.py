"""Runtimes of a tiny bundle, measured for real in processes of their own."""

from dataclasses import replace
from pathlib import Path

import pytest

import deft_sweeps
from deft_sweeps.deploy.bench import bench
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.manifest_file import check_files, read_manifest
from deft_sweeps.deploy.model_card import write_description
from deft_sweeps.deploy.runtime_table import runtime_table
from deft_sweeps.errors import BundleError, ConfigError
from tests.unit.deploy.made_bundles import QUESTIONS, bundle_of, tiny_sweep

N_EXAMPLES = 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    # A path that starts from another folder than the tests' own.
    sweep = tiny_sweep(folder, "bert", QUESTIONS, origin=str(folder))
    bundle_of(sweep, folder / "out", threshold=0.05)
    return folder / "out"


@pytest.fixture(scope="module")
def measured(bundle: Path) -> Manifest:
    return bench(bundle, runtimes=["hf", "torch"], n_examples=N_EXAMPLES, n_threads=1)


def test_each_runtime_has_a_reading_beside_torch_at_its_own_threshold(measured: Manifest) -> None:
    at = {reading.runtime: reading for reading in measured.runtimes}
    assert {name: reading.threshold for name, reading in at.items()} == {"torch": 0.05, "hf": 0.0}
    densities = [at[name].density or 0.0 for name in ("torch", "hf")]
    assert 0 < densities[0] < densities[1] <= 1
    for reading in at.values():
        assert reading.n_examples == N_EXAMPLES
        assert reading.drift.largest < 1e-4
        assert not reading.drifts
        assert 0 < reading.one.median <= reading.one.p95
        assert 0 < reading.resident_bytes <= reading.peak_bytes
        assert reading.file_bytes > 0


def test_the_readings_are_in_the_bundle_and_on_its_card(bundle: Path, measured: Manifest) -> None:
    assert read_manifest(bundle) == measured
    check_files(bundle, measured)
    row = runtime_table(measured).rows[0]
    cells = dict(zip((head for head, _ in runtime_table(measured).heads), row.cells, strict=True))
    assert float(cells["density"]) == pytest.approx(measured.runtimes[0].density, abs=5e-4)
    assert f"| {cells['density']} |" in (bundle / "README.md").read_text()


def test_a_runtime_that_drifts_is_not_loaded(bundle: Path, measured: Manifest) -> None:
    reading = measured.reading("hf")
    assert reading is not None
    drifting = replace(reading, drift=replace(reading.drift, reasons=("it is 3 nats away",)))
    write_description(bundle, replace(measured, runtimes=(drifting,)))
    with pytest.raises(BundleError, match="computes other scores than it should"):
        deft_sweeps.load(bundle, runtime="hf")
    assert deft_sweeps.load(bundle).runtime.name == "torch"


def test_what_cannot_be_measured_is_refused_before_anything_runs(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="no runtime 'ct2'; it has torch"):
        bench(bundle, runtimes=["ct2"])
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        bench(bundle, n_examples=0)
