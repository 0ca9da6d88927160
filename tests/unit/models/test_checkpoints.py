import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import load_model, load_tokenizer, read_config, revision, stamp
from deft_sweeps.models.families import layout
from deft_sweeps.models.model_check import check_model
from tests.tiny import tiny_t5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of the user's own, without a tokenizer."""
    model: Any = tiny_t5()
    model.save_pretrained(tmp_path / "own")
    return tmp_path / "own"


def test_configs_are_read_and_models_checked_without_torch(folder: Path) -> None:
    code = f"""
import sys
from deft_sweeps.models.checkpoints import read_config, revision
from deft_sweeps.models.model_check import check_model
from deft_sweeps.models.families import layout
for name in ("packaged/flan-t5-small-title", "google/flan-t5-xxl", {str(folder)!r}):
    print(layout(read_config(name)).n_parameters)
assert check_model("packaged/flan-t5-small-title") == []
assert len(revision("packaged/flan-t5-small-title")) == 64
assert check_model("google/flan-t5-small")
assert not {{"torch", "transformers"}} & set(sys.modules), "loaded"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == ["76961152", "11135332352"]


def test_a_folder_is_loaded_in_the_asked_dtype(folder: Path) -> None:
    model = load_model(str(folder), "bf16")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert not model.training
    assert (
        sum(p.numel() for p in model.parameters()) == layout(read_config(str(folder))).n_parameters
    )


def test_a_stamp_changes_with_any_file_and_reads_no_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deft_sweeps.models.checkpoints.sha256_file", lambda _: pytest.fail("read"))
    before = stamp(str(folder))
    assert stamp(str(folder)) == before
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    after = stamp(str(folder))
    (folder / "config.json").touch()
    assert len({before, after, stamp(str(folder))}) == 3
    (folder / "notes.txt").write_text("of no effect")
    assert stamp(str(folder)) == stamp(str(folder))
    packaged = "packaged/flan-t5-small-title"
    assert stamp(packaged) == revision(packaged)


def test_a_folders_revision_is_that_of_its_content(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in folder.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    assert revision(str(moved)) == revision(str(folder))
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).mul_(2)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert revision(str(other)) != revision(str(folder))


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.block.1.layer.1.DenseReluDense.wo.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"without: encoder\.block\.1\.layer\.1\.DenseReluDense\.wo\.weight"
    ):
        load_model(str(folder), "fp32")


def test_an_output_projection_that_was_lost_is_noticed(folder: Path) -> None:
    """A tied save of an untied model loads without a word, and the model then answers nothing."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    with pytest.raises(CheckpointError, match="matrix of its own, and its weights have none"):
        load_model(str(folder), "fp32")


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    problem, *_ = check_model(str(folder))
    assert (
        "has no weights as *.safetensors (only pickled ones, which are not loaded:"
        " pytorch_model.bin); convert them where you trust their source"
    ) in problem
    with pytest.raises(CheckpointError, match="only pickled ones"):
        load_model(str(folder), "fp32")


def test_a_folder_without_tokenizer_is_told_before_it_is_needed(folder: Path) -> None:
    assert check_model(str(folder)) == [
        f"{folder} has no tokenizer: expected tokenizer.json or spiece.model"
    ]


def test_a_config_that_is_no_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="expected a JSON object, got list"):
        read_config(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_config(str(folder))


def test_another_family_is_refused_before_torch_loads_it(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}')
    assert "supported: t5" in check_model(str(folder))[0]
    with pytest.raises(CheckpointError, match="supported: t5"):
        load_model(str(folder), "fp32")


def test_offline_a_hub_id_says_what_to_do() -> None:
    for use in (
        lambda: load_model("google/flan-t5-small", "fp32"),
        lambda: load_tokenizer("google/flan-t5-small"),
    ):
        with pytest.raises(
            CheckpointError, match="google/flan-t5-small is no folder, and neither the hub's cache"
        ):
            use()
    assert check_model("./nowhere") == ["no folder ./nowhere"]
    assert check_model("packaged/bart") == [
        "no packaged checkpoint 'packaged/bart'; there are packaged/flan-t5-small-title,"
        " packaged/minilm-l6"
    ]


def test_the_packaged_tokenizer_neither_cuts_nor_pads_by_itself(packaged_model: str) -> None:
    tokenizer = load_tokenizer(packaged_model)
    assert len(tokenizer("film" + " film" * 99)["input_ids"]) == 101
    assert [len(ids) for ids in tokenizer(["film", "film film film"])["input_ids"]] == [2, 4]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    assert (
        tokenizer.decode(tokenizer("A dull, long film.")["input_ids"], skip_special_tokens=True)
        == "A dull, long film."
    )
