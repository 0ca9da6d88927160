"""A bundle that is not what was exported is refused, in one sentence each."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import deft_sweeps
from deft_sweeps.deploy.manifest_file import check_files, read_manifest, write_manifest
from deft_sweeps.errors import BundleError
from tests.unit.deploy.made_bundles import bundle_of, tiny_sweep


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    bundle_of(tiny_sweep(folder, "bert"), folder / "out")
    return folder / "out"


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_a_manifest_is_read_back_as_it_was_written(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    write_manifest(bundle, manifest)
    assert read_manifest(bundle) == manifest
    check_files(bundle, manifest)


def flip(bundle: Path) -> None:
    path = bundle / "hf" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def drop(bundle: Path) -> None:
    (bundle / "tokenizer" / "tokenizer.json").unlink()


def link_out(bundle: Path) -> None:
    path = bundle / "tokenizer" / "tokenizer.json"
    path.rename(bundle.parent / "elsewhere.json")
    path.symlink_to(bundle.parent / "elsewhere.json")


def add_pickle(bundle: Path) -> None:
    (bundle / "hf" / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}, protocol=4))


def point_out(bundle: Path) -> None:
    change(bundle, "weights.safetensors", "../weights.safetensors")


def other_version(bundle: Path) -> None:
    change(bundle, "schema_version: 1", "schema_version: 99")


def no_yaml(bundle: Path) -> None:
    (bundle / "deployment.yaml").write_text("a: [")


def a_list(bundle: Path) -> None:
    (bundle / "deployment.yaml").write_text("- one\n")


def a_python_object(bundle: Path) -> None:
    (bundle / "deployment.yaml").write_text("a: !!python/object/apply:os.system [ls]\n")


def wrong_type(bundle: Path) -> None:
    change(bundle, "fingerprint:", "fingerprints:")


def nothing(bundle: Path) -> None:
    (bundle / "deployment.yaml").unlink()


def change(bundle: Path, old: str, new: str) -> None:
    path = bundle / "deployment.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip, "hf/model.safetensors was changed"),
        (drop, "tokenizer/tokenizer.json is missing"),
        (link_out, "link to a file outside"),
        (add_pickle, "pytorch_model.bin is a pickle"),
        (point_out, "lies outside of the bundle"),
        (other_version, "expected schema_version 1, got 99"),
        (no_yaml, "is no YAML"),
        (a_list, "expected a mapping, got list"),
        (a_python_object, "is no YAML"),
        (wrong_type, "fingerprint"),
        (nothing, "is no bundle"),
    ],
)
def test_a_damaged_bundle_is_refused(
    bundle: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(bundle)
    with pytest.raises(BundleError) as refused:
        deft_sweeps.load(bundle)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_runtime_that_is_not_there_is_named_with_those_that_are(bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"not exported for the runtime onnx; it has torch,"):
        deft_sweeps.load(bundle, runtime="onnx")
    with pytest.raises(BundleError, match="no runtime 'tpu'"):
        deft_sweeps.load(bundle, runtime="tpu")
