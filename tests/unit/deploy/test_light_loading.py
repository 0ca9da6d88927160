"""What loading a bundle and predicting with it import."""

from pathlib import Path

import pytest

from tests.hidden_packages import ONLY_REPORTS, ONLY_SWEEPS, without
from tests.unit.deploy.made_bundles import bundle_of, tiny_sweep

PREDICTING = """
import deft_sweeps
predictor = deft_sweeps.load({bundle!r}, runtime={runtime!r}, n_threads=1)
assert predictor.predict(["a great plot"])[0].value in ("positive", "negative")
print("scipy" in sys.modules)
print(predictor.score(["a great plot"], ["positive"]).metric)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    bundle_of(tiny_sweep(folder, "bert"), folder / "bundle", "onnx")
    return folder / "bundle"


@pytest.mark.parametrize(
    ("runtime", "hidden"),
    [
        ("torch", ()),
        ("onnx", ("torch", "transformers", "peft", "sentencepiece", "huggingface_hub")),
    ],
)
def test_a_runtime_needs_only_its_own_packages(
    bundle: Path, runtime: str, hidden: tuple[str, ...]
) -> None:
    others = {*ONLY_SWEEPS, *ONLY_REPORTS, *hidden} - {"scipy", "onnx"}
    code = PREDICTING.format(bundle=str(bundle), runtime=runtime)
    done = without(tuple(others), code)
    assert done.returncode == 0, done.stderr
    # Transformers imports scipy where it is installed.
    assert done.stdout.split() == [str(runtime == "torch"), "accuracy"]
