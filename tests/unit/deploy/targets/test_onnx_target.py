"""Exported graphs in onnxruntime against the trial in torch, at other shapes than the sample."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deft_sweeps.config.axes import (
    AdaDeft,
    Adapter,
    Int8,
    Lora,
    Nf4,
    PrefixTuning,
    PromptTuning,
    PTuning,
)
from deft_sweeps.config.compat import shape_problems
from deft_sweeps.deploy.runtime import ModelInputs
from deft_sweeps.deploy.runtimes.onnx_runtime import OnnxRuntime
from deft_sweeps.deploy.target import ExportJob, Target
from deft_sweeps.deploy.targets.onnx_target import ONNX, ONNX_INT8
from tests.conformance.axis_settings import SOME
from tests.tiny import HEAD_FAMILIES, layout_of, tiny_encoder, tiny_t5
from tests.unit.deploy.made_trials import (
    FIRST_TOKENS,
    METHODS,
    NAMES,
    SHAPES,
    WHOLE_LABELS,
    encoder_trial_config,
    inputs_of,
    job_of,
    pruned_for,
    t5_trial_config,
    torch_class_scores,
    torch_head_logits,
    torch_texts,
)

MAX_NEW_TOKENS = 8


def exported(job: ExportJob, folder: Path, target: Target = ONNX) -> OnnxRuntime:
    folder.mkdir()
    target.export(job, folder)
    return OnnxRuntime(folder)


def class_score_differences(job: ExportJob, runtime: OnnxRuntime) -> NDArray[np.floating]:
    """The largest difference of each example's scores, rising."""
    class_ids, differences = job.data.class_ids, []
    for shape in SHAPES:
        inputs = inputs_of(*shape)
        expected = torch_class_scores(job.trial_model, inputs, class_ids, job.threshold)
        scores = runtime.class_log_probabilities(inputs, class_ids)
        differences.append(np.abs(scores - expected).max(-1))
    return np.sort(np.concatenate(differences))


def worst_class_score(job: ExportJob, runtime: OnnxRuntime) -> float:
    return float(class_score_differences(job, runtime)[-1])


def worst_logit(job: ExportJob, runtime: OnnxRuntime, *, segments: bool) -> float:
    """Relative to the largest logit of each batch; of a span, padding is compared exactly."""
    worst = 0.0
    for shape in SHAPES:
        inputs = inputs_of(*shape, segments=segments)
        expected = torch_head_logits(job.trial_model, inputs, job.threshold)
        logits = runtime.head_outputs(inputs)
        real = expected > -1e30
        assert (logits[~real] == expected[~real]).all()
        worst = max(worst, float(np.abs(logits - expected)[real].max() / abs(expected[real]).max()))
    return worst


def check_texts(job: ExportJob, runtime: OnnxRuntime) -> None:
    for shape in SHAPES:
        inputs = inputs_of(*shape, seed=4)
        expected = torch_texts(job.trial_model, inputs, job.threshold, MAX_NEW_TOKENS)
        texts = runtime.generate(inputs, max_new_tokens=MAX_NEW_TOKENS)
        assert [text.token_ids for text in texts] == [text.token_ids for text in expected]
        for text, right in zip(texts, expected, strict=True):
            assert text.mean_log_probability == pytest.approx(right.mean_log_probability, abs=1e-4)
            assert text.empty_log_probability == pytest.approx(
                right.empty_log_probability, abs=1e-4
            )


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportJob, OnnxRuntime]:
    """A trial that answers by class, at a threshold, and its export."""
    folder = tmp_path_factory.mktemp("scored")
    config = t5_trial_config(folder, activation="relu", peft=Lora(targets=SOME))
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    return job, exported(job, folder / "onnx")


def test_classes_by_text(scored: tuple[ExportJob, OnnxRuntime]) -> None:
    job, runtime = scored
    assert worst_class_score(job, runtime) < 1e-4
    other_threshold = replace(job, threshold=0.0)
    assert worst_class_score(other_threshold, runtime) > 1e-2, "the threshold is in the graph"


def test_what_a_graph_has_no_answer_to(scored: tuple[ExportJob, OnnxRuntime]) -> None:
    runtime = scored[1]
    with pytest.raises(ValueError, match="export again for other classes"):
        runtime.class_log_probabilities(inputs_of(1, 4), WHOLE_LABELS)
    with pytest.raises(ValueError, match="answers by text"):
        runtime.head_outputs(inputs_of(1, 4))
    with pytest.raises(ValueError, match="only a task whose answer is written"):
        runtime.generate(inputs_of(1, 4), max_new_tokens=2)


def test_a_graph_says_nothing_of_the_machine_that_made_it(
    scored: tuple[ExportJob, OnnxRuntime],
) -> None:
    graph = (scored[1].folder / "model.onnx").read_bytes()
    for trace in (b"site-packages", b'File "', b"deft_sweeps", str(Path.cwd()).encode()):
        assert trace not in graph


def test_the_runtime_needs_no_torch(scored: tuple[ExportJob, OnnxRuntime]) -> None:
    job, runtime = scored
    program = f"""
import sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["peft"] = None
from pathlib import Path
import numpy as np
from deft_sweeps.deploy.runtime import ModelInputs
from deft_sweeps.deploy.runtimes.onnx_runtime import OnnxRuntime
ids = np.array([[5, 6, 7]])
runtime = OnnxRuntime(Path({str(runtime.folder)!r}))
print(*runtime.class_log_probabilities(ModelInputs(ids, np.ones_like(ids)), {FIRST_TOKENS})[0])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ids = np.array([[5, 6, 7]])
    inputs = ModelInputs(ids, np.ones_like(ids))
    expected = torch_class_scores(job.trial_model, inputs, FIRST_TOKENS, job.threshold)[0]
    assert [float(word) for word in done.stdout.split()] == pytest.approx(expected, abs=1e-4)


def test_texts_with_a_prefix(tmp_path: Path) -> None:
    job = job_of(t5_trial_config(tmp_path, peft=PrefixTuning(virtual_tokens=3)), "text")
    runtime = exported(job, tmp_path / "onnx")
    check_texts(job, runtime)
    with pytest.raises(ValueError, match="scores no classes"):
        runtime.class_log_probabilities(inputs_of(1, 4), FIRST_TOKENS)


def test_a_head_with_adapters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = encoder_trial_config(tmp_path, "bert", peft=Adapter(placement="houlsby"))
    job = job_of(config, "classification")
    capsys.readouterr()
    runtime = exported(job, tmp_path / "onnx")
    assert capsys.readouterr().out == "", "stdout is the command's own, for JSON say"
    assert worst_logit(job, runtime, segments=True) < 1e-5
    with pytest.raises(ValueError, match="scores no classes"):
        runtime.class_log_probabilities(inputs_of(1, 4), FIRST_TOKENS)


@pytest.mark.slow
@pytest.mark.parametrize("class_ids", [FIRST_TOKENS, WHOLE_LABELS], ids=["first", "whole"])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_classes_by_text_with_every_method(
    tmp_path: Path, method: Any, class_ids: tuple[tuple[int, ...], ...]
) -> None:
    config = t5_trial_config(tmp_path, **pruned_for(method))
    job = job_of(config, "classification", class_ids=class_ids)
    differences = class_score_differences(job, exported(job, tmp_path / "onnx"))
    # A gate entry within rounding of the threshold counts on one side alone: one example may have
    # one. Without a threshold the same graphs are within 1e-5.
    assert differences[-2] < 1e-4
    assert differences[-1] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [Lora(targets=SOME), Adapter(), PromptTuning(virtual_tokens=3), PTuning(virtual_tokens=3)],
    ids=lambda method: method.kind,
)
def test_texts(tmp_path: Path, method: Any) -> None:
    job = job_of(t5_trial_config(tmp_path, peft=method), "text")
    check_texts(job, exported(job, tmp_path / "onnx"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classification", "regression", "span"])
@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_heads_with_every_method(tmp_path: Path, family: str, method: Any, kind: Any) -> None:
    config = encoder_trial_config(tmp_path, family, **pruned_for(method))
    if problems := shape_problems(config, layout_of(tiny_encoder(family))):
        pytest.skip(problems[0])
    job = job_of(config, kind)
    runtime = exported(job, tmp_path / "onnx")
    # float32 sums in another order; a number near zero is what is left of larger ones.
    assert worst_logit(job, runtime, segments=family == "bert") < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("method", [Lora(targets=SOME), Adapter()], ids=["lora", "adapter"])
def test_removed_blocks_are_not_in_the_graph(tmp_path: Path, method: Any) -> None:
    config = t5_trial_config(tmp_path, peft=method, adaptive=AdaDeft(skip=1))
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    whole = exported(job, tmp_path / "whole")
    job = job_of(config, "classification", class_ids=FIRST_TOKENS, removed=(1, 3))
    runtime = exported(job, tmp_path / "onnx")
    assert worst_class_score(job, runtime) < 1e-4
    sizes = [(r.folder / "model.onnx.data").stat().st_size for r in (whole, runtime)]
    assert sizes[0] - sizes[1] >= 2 * 3 * 32 * 48 * 4, "three matrices of two MLPs in float32"


@pytest.mark.slow
def test_packed_weights_are_written_out(tmp_path: Path) -> None:
    config = t5_trial_config(tmp_path, peft=Lora(targets=SOME), quantization=Nf4())
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    assert worst_class_score(job, exported(job, tmp_path / "onnx")) < 1e-4


@pytest.mark.slow
def test_int8_weights_are_near_and_small(tmp_path: Path) -> None:
    """A random model's log-probabilities move by some tenths of a nat."""
    config = t5_trial_config(tmp_path, peft=Lora(targets=SOME))
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    dense = exported(job, tmp_path / "onnx")
    runtime = exported(job, tmp_path / "int8", ONNX_INT8)
    assert 1e-4 < worst_class_score(job, runtime) < 0.5
    sizes = [(r.folder / "model.onnx.data").stat().st_size for r in (dense, runtime)]
    assert sizes[1] < 0.7 * sizes[0]


def test_what_differs_is_stated(tmp_path: Path) -> None:
    config = t5_trial_config(tmp_path)
    assert ONNX.differences(config, 0.5) == ()
    assert ONNX.problems(config, layout_of(tiny_t5())) == ()
    (line,) = ONNX.differences(replace(config, dtype="bf16"), 0.5)
    assert line == "computes in float32 what the trial computed in bf16"
    (line,) = ONNX.differences(replace(config, quantization=Int8()), 0.5)
    assert "rounded each layer's input to int8" in line
    assert ONNX.differences(replace(config, quantization=Nf4()), 0.5) == ()
    (line,) = ONNX_INT8.differences(config, 0.5)
    assert "int8" in line


def test_every_method_can_be_exported(tmp_path: Path) -> None:
    layouts = [layout_of(tiny_t5()), *(layout_of(tiny_encoder(f)) for f in HEAD_FAMILIES)]
    config = t5_trial_config(tmp_path)
    for method in METHODS:
        for layout in layouts:
            assert ONNX.problems(replace(config, peft=method), layout) == ()
