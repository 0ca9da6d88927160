"""Checkpoints that no trial could use, or would use wrongly, are refused with a sentence each."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import load_model, read_config
from deft_sweeps.models.families import PUBLISHED_CONFIGS, layout
from deft_sweeps.models.model_check import check_model, checkpoint_notes
from deft_sweeps.models.safetensors_header import read_headers
from tests.tiny import save_tiny_encoder, tiny_t5

WORDS = ["great plot", "awful cast"]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole checkpoint of each kind, which no test writes to."""
    root = tmp_path_factory.mktemp("originals")
    for family in ("bert", "roberta"):
        save_tiny_encoder(root / family, family, WORDS)
    for gated in (True, False):
        model: Any = tiny_t5(gated)
        model.save_pretrained(root / f"t5-{gated}")
    tied = root / "t5-False"
    (tied / "tokenizer.json").write_text("{}")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def copy(originals: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A checkpoint of a test's own: hard links, so that a file is replaced, never changed."""

    def link(kind: str) -> Path:
        folder = tmp_path / kind
        folder.mkdir()
        for file in originals[kind].iterdir():
            os.link(file, folder / file.name)
        return folder

    return link


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def set_config(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    replace(path, json.dumps(json.loads(path.read_text()) | settings).encode())


def reweight(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Save other tensors in place of the folder's."""
    weights = {
        name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()
    }
    (folder / "model.safetensors").unlink()
    save_file(change(weights), folder / "model.safetensors", {"format": "pt"})


def shard(folder: Path, n: int = 3) -> list[str]:
    """Split the weights over `n` files and an index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = [f"model-{i:05}-of-{n:05}.safetensors" for i in range(1, n + 1)]
    of = {name: files[i % n] for i, name in enumerate(weights)}
    for file in files:
        save_file(
            {name: weights[name] for name in weights if of[name] == file},
            folder / file,
            {"format": "pt"},
        )
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": of})
    )
    return files


def refused(folder: Path, *parts: str) -> None:
    """Assert that a check says so in one sentence, and a trial too."""
    (problem,) = check_model(str(folder))
    assert all(part in problem for part in parts), problem
    assert "\n" not in problem
    with pytest.raises(CheckpointError) as error:
        load_model(str(folder), "fp32")
    assert all(part in str(error.value) for part in parts), error.value


@pytest.mark.parametrize("kind", ["bert", "roberta", "t5-False"])
def test_whole_checkpoints_have_no_problem(kind: str, copy: Callable[[str], Path]) -> None:
    folder = copy(kind)
    assert check_model(str(folder)) == checkpoint_notes(str(folder)) == []


@pytest.mark.parametrize("kind", ["bert", "t5-False"])
def test_sharded_weights_load(kind: str, copy: Callable[[str], Path]) -> None:
    folder = copy(kind)
    shard(folder)
    assert check_model(str(folder)) == []
    load_model(str(folder), "fp32")


def test_a_folder_with_spaces_loads(copy: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy("bert").rename(tmp_path / "my own model")
    assert check_model(str(folder)) == []
    load_model(str(folder), "fp32")


def test_half_precision_and_a_classification_head_load(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    reweight(
        folder,
        lambda weights: (
            {f"bert.{name}": tensor.half() for name, tensor in weights.items()}
            | {"classifier.weight": weights["pooler.dense.weight"][:2].clone()}
        ),
    )
    assert check_model(str(folder)) == checkpoint_notes(str(folder)) == []
    load_model(str(folder), "bf16")


def test_a_file_that_is_cut_short(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    whole = (folder / "model.safetensors").read_bytes()
    replace(folder / "model.safetensors", whole[:-100])
    refused(
        folder, f"{len(whole) - 100:,} bytes", "cut short or damaged", "download or save it again"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", 10**15) + b"{}",
        struct.pack("<Q", 8) + b"no json!",
        struct.pack("<Q", 2) + b"[]",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
    ids=[
        "empty",
        "shorter-than-its-length",
        "header-beyond-file",
        "no-json",
        "list",
        "lfs-pointer",
    ],
)
def test_a_header_that_is_none(content: bytes, copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    replace(folder / "model.safetensors", content)
    refused(folder, "model.safetensors is cut short or damaged")


def test_offsets_beyond_the_file(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    header = b'{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    replace(folder / "model.safetensors", struct.pack("<Q", len(header)) + header + bytes(8))
    refused(folder, "model.safetensors is cut short or damaged")


def test_a_missing_shard_is_named(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    files = shard(folder)
    (folder / files[1]).unlink()
    refused(folder, f"lacks {files[1]}, of the 3 weight files that")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "cannot be read"),
        (b"[]", "has no weight_map"),
        (b'{"weight_map": {}}', "has no weight_map"),
        (b'{"weight_map": {"x": "y.safetensors"}}', 'has no metadata; write "metadata": {}'),
        (b'{"metadata": {}, "weight_map": {"x": "../other.safetensors"}}', "names no plain files"),
        (b'{"metadata": {}, "weight_map": {"x": 1}}', "names no plain files"),
    ],
)
def test_a_damaged_index(content: bytes, what: str, copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    shard(folder)
    replace(folder / "model.safetensors.index.json", content)
    refused(folder, "model.safetensors.index.json", what)


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("bert", "encoder.layer.1.output.dense.bias"),
        ("roberta", "embeddings.position_embeddings.weight"),
        ("t5-True", "decoder.block.2.layer.2.DenseReluDense.wi_1.weight"),
    ],
)
def test_a_missing_tensor_is_named(kind: str, lost: str, copy: Callable[[str], Path]) -> None:
    folder = copy(kind)
    (folder / "tokenizer.json").touch()
    reweight(folder, lambda weights: {n: w for n, w in weights.items() if n != lost})
    refused(folder, "do not fill the model of its config.json; without:", lost)


def test_a_tensor_of_another_shape_is_named(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    set_config(folder, intermediate_size=64)
    refused(
        folder,
        "other shapes than the model of its config.json:",
        "encoder.layer.0.intermediate.dense.bias [48] (expected [64])",
    )


def test_tied_weights_and_old_names_are_no_problem(copy: Callable[[str], Path]) -> None:
    """A T5's shared matrix stands once in the file; early BERTs call a norm's weight gamma."""
    folder = copy("t5-False")
    assert not {"lm_head.weight", "encoder.embed_tokens.weight"} & set(read_headers(folder).shapes)
    assert check_model(str(folder)) == []
    early = copy("bert")
    reweight(
        early,
        lambda weights: {
            n.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): w
            for n, w in weights.items()
        },
    )
    assert check_model(str(early)) == []
    load_model(str(early), "fp32")


def test_an_output_projection_that_was_lost(copy: Callable[[str], Path]) -> None:
    folder = copy("t5-False")
    set_config(folder, tie_word_embeddings=False)
    refused(folder, "matrix of its own, and its weights have none")


def test_a_config_that_transformers_cannot_build(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    set_config(folder, num_attention_heads=5)
    (problem,) = check_model(str(folder))
    assert "transformers cannot build the model of its config.json: The hidden size" in problem


def numeric_fields() -> Iterator[tuple[str, str]]:
    """Each number of a config.json that a layout reads."""
    for name in (
        "google-t5/t5-small",
        "bert-base-uncased",
        "roberta-base",
        "distilbert-base-cased",
    ):
        config = PUBLISHED_CONFIGS[name]
        yield from ((name, field) for field, value in config.items() if type(value) is int)


@pytest.mark.parametrize(("name", "field"), numeric_fields())
def test_a_size_that_is_none_is_a_sentence(name: str, field: str) -> None:
    for value in ("many", -3, 0, 2.5, True, [6], {"n": 6}, float("inf"), float("nan"), 10**12):
        with pytest.raises(CheckpointError, match=f"config.json says {field} .*; expected a whole"):
            layout(PUBLISHED_CONFIGS[name] | {field: value})


@pytest.mark.parametrize(
    ("name", "field", "value", "due"),
    [
        ("google-t5/t5-small", "feed_forward_proj", 3, "a name such as 'relu'"),
        ("google-t5/t5-small", "tie_word_embeddings", "no", "true or false"),
        ("bert-base-uncased", "hidden_act", ["gelu"], "a name such as 'gelu'"),
        ("distilbert-base-cased", "activation", 1, "a name such as 'gelu'"),
        ("bert-base-uncased", "add_pooling_layer", 1, "true or false"),
        ("roberta-base", "pad_token_id", "<pad>", "a whole number from 0"),
    ],
)
def test_other_fields_of_a_wrong_type(name: str, field: str, value: object, due: str) -> None:
    with pytest.raises(CheckpointError, match=f"config.json says {field} .*; expected {due}"):
        layout(PUBLISHED_CONFIGS[name] | {field: value})


def test_many_layers_are_a_sentence_of_the_check(copy: Callable[[str], Path]) -> None:
    folder = copy("t5-False")
    set_config(folder, num_layers="many")
    refused(folder, "config.json says num_layers 'many'; expected a whole number from 1 to 10000")


def test_a_process_without_torch_says_the_same(copy: Callable[[str], Path], tmp_path: Path) -> None:
    """It asks a process of its own, once for the same files."""
    folder = copy("bert")
    reweight(folder, lambda weights: {n: w for n, w in weights.items() if "word_emb" not in n})
    code = (
        "import sys\nfrom deft_sweeps.models.model_check import check_model\n"
        f"print(check_model({str(folder)!r}))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    environment = os.environ | {"DEFT_SWEEPS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == repr(check_model(str(folder)))
    assert "embeddings.word_embeddings.weight" in done.stdout
    (answer,) = (tmp_path / "cache" / "weight_fit").glob("*.json")
    assert "word_embeddings" in answer.read_text()


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "in 4 bits by bitsandbytes"),
        ({"load_in_8bit": True}, "in 8 bits by bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4}, "quantized by GPTQ"),
        ({"quant_method": "awq", "bits": 4}, "quantized by AWQ"),
        ("strange", "quantized by a method without a name"),
    ],
)
def test_quantized_weights_are_refused_by_name(
    settings: object, how: str, copy: Callable[[str], Path]
) -> None:
    folder = copy("bert")
    set_config(folder, quantization_config=settings)
    refused(folder, f"its weights are saved {how}", "take the checkpoint that it was made from")


def test_weights_of_whole_numbers_are_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("query.weight"))
    (folder / "model.safetensors").unlink()
    save_file(tensors | {name: tensors[name].to(torch.int32)}, folder / "model.safetensors")
    (problem,) = check_model(str(folder))
    assert f"{name} holds numbers of the type I32" in problem


def test_an_adapter_beside_a_model_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "me/base"}')
    refused(folder, "holds a model and an adapter of PEFT")


@pytest.mark.parametrize(
    "suffix", ["weight.absmax", "weight.quant_state.bitsandbytes__nf4", "SCB", "qweight"]
)
def test_packed_weights_are_refused_whatever_the_config_says(
    suffix: str, copy: Callable[[str], Path]
) -> None:
    folder = copy("bert")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    name = f"encoder.layer.0.attention.self.query.{suffix}"
    save_file(tensors | {name: torch.zeros(3)}, folder / "model.safetensors")
    (problem,) = check_model(str(folder))
    assert f"its weights are saved quantized ({name} says how they are packed)" in problem


@pytest.mark.parametrize(
    ("adapter", "base"),
    [('{"base_model_name_or_path": "me/base"}', "its base is me/base"), ("[", "it names no base")],
)
def test_an_adapter_is_no_model(adapter: str, base: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(adapter)
    (tmp_path / "adapter_model.safetensors").touch()
    refused(tmp_path, "is an adapter of PEFT, not a model", base, "merge_and_unload")


def test_pickled_weights_say_how_to_convert(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "only pickled ones, which are not loaded: pytorch_model.bin", "save_pretrained")


def test_weights_of_another_name_are_told(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    refused(folder, "has its weights in model.fp16.safetensors", "rename the file")


def without_pooler(folder: Path) -> None:
    """As masked-LM training saves a BERT."""
    reweight(
        folder,
        lambda weights: (
            {f"bert.{n}": w for n, w in weights.items() if "pooler" not in n}
            | {"cls.predictions.bias": weights["embeddings.word_embeddings.weight"][:, 0].clone()}
        ),
    )


def test_a_bert_without_pooler_has_the_heads_own(copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    assert layout(read_config(str(folder))).pooler == "pooler.dense"
    without_pooler(folder)
    assert check_model(str(folder)) == []
    (note,) = checkpoint_notes(str(folder))
    assert note.startswith(f"{folder}: its weights have no pooler, as after masked-LM training")
    model: Any = load_model(str(folder), "fp32")
    assert model.pooler is None
    shape = layout(model.config.to_dict())
    assert shape == layout(read_config(str(folder)))
    assert shape.pooler is None
    assert shape.n_parameters == sum(parameter.numel() for parameter in model.parameters())


def test_the_projection_in_a_poolers_place_follows_from_the_seed(
    copy: Callable[[str], Path],
) -> None:
    import torch

    from deft_sweeps.trial.heads import HeadSpec, with_head

    folder = copy("bert")
    without_pooler(folder)

    def head(seed: int) -> nn.Module:
        model: Any = load_model(str(folder), "fp32")
        torch.manual_seed(seed)
        made = with_head(
            model, model, layout(model.config.to_dict()), HeadSpec("classification", 2)
        )
        assert made.pooler is not None
        return made.pooler

    first, again, other = head(1), head(1), head(2)
    assert torch.equal(first.weight, again.weight)  # type: ignore[arg-type]
    assert not torch.equal(first.weight, other.weight)  # type: ignore[arg-type]
    assert first.weight.requires_grad


@pytest.mark.parametrize("model_type", ["albert", "deberta-v2", "xlm-roberta", "mt5"])
def test_other_families_are_refused_by_name(model_type: str, copy: Callable[[str], Path]) -> None:
    folder = copy("bert")
    set_config(folder, model_type=model_type)
    refused(folder, f"models of the family '{model_type}' are not supported; supported: t5")


def test_resized_embeddings_load(originals: dict[str, Path], tmp_path: Path) -> None:
    model: Any = load_model(str(originals["bert"]), "fp32")
    model.resize_token_embeddings(128)
    model.save_pretrained(tmp_path)
    os.link(originals["bert"] / "tokenizer.json", tmp_path / "tokenizer.json")
    assert check_model(str(tmp_path)) == []
    loaded: Any = load_model(str(tmp_path), "fp32")
    assert loaded.get_input_embeddings().num_embeddings == 128


def test_a_roberta_tells_a_pair_apart_without_segments(copy: Callable[[str], Path]) -> None:
    from deft_sweeps.models.checkpoints import load_tokenizer

    folder = copy("roberta")
    assert check_model(str(folder)) == []
    assert list(load_tokenizer(str(folder))("great", "plot")) == ["input_ids", "attention_mask"]
