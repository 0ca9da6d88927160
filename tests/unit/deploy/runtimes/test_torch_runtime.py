"""The runtime `sparse` beside the runtime `torch`, on bundles of trials that were trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deft_sweeps.deploy.bundle_reader import open_runtime
from deft_sweeps.deploy.manifest_file import read_manifest
from deft_sweeps.deploy.runtimes.runtime_kinds import available
from deft_sweeps.deploy.text_input import as_examples
from deft_sweeps.errors import BundleError
from deft_sweeps.sparse.mlp_block import SparseDown, SparseGatedMlp
from tests.unit.deploy.made_bundles import bundle_of, tiny_sweep

TEXTS = ["a fine film with a heart", "dull", "the plot is thin and the cast is lost in it"]
DENSITY = "loss: {weight: 1.0}"
SETTINGS: dict[str, dict[str, str]] = {
    "t5": {},
    "t5 relu": {"activation": "relu"},
    "t5 without blocks": {"adaptive": "ada: {skip: 1}", "density": DENSITY},
    "bert": {"model": "bert"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_its_scores_are_those_of_torch(case: str, tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, **SETTINGS[case])
    bundle_of(sweep, tmp_path / "bundle", threshold=0.05)
    outputs = {}
    for name in ("torch", "sparse"):
        opened: Any = open_runtime(tmp_path / "bundle", name, 2)
        assert opened.runtime.name == name
        examples = as_examples(opened.manifest.task, TEXTS)
        # One text at a time: the decoder and the head then see single tokens.
        outputs[name] = np.stack(opened.outputs(examples, batch_size=1).scores)
        outputs[f"{name} together"] = np.stack(opened.outputs(examples).scores)
    replaced = [
        one
        for one in opened.runtime.model.modules()
        if isinstance(one, SparseGatedMlp | SparseDown)
    ]
    assert replaced
    np.testing.assert_allclose(outputs["sparse"], outputs["torch"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        outputs["sparse together"], outputs["torch together"], rtol=1e-4, atol=1e-5
    )


def test_a_quantized_base_has_no_sparse_runtime(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, quantization="nf4")
    bundle_of(sweep, tmp_path / "bundle")
    assert "sparse" not in available(read_manifest(tmp_path / "bundle"))
    with pytest.raises(BundleError, match="sparse"):
        open_runtime(tmp_path / "bundle", "sparse", 1)
