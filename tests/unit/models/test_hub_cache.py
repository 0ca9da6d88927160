"""Models in the hub's cache on this machine: what of them can be used without a network, and under
which revision.
"""

import json
import os
from collections.abc import Iterator
from hashlib import sha1, sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig, canonical
from deft_sweeps.errors import CheckpointError, DataError
from deft_sweeps.models.checkpoints import load_model, load_tokenizer, read_config, revision
from deft_sweeps.models.hub_checkpoint import hub_commit
from deft_sweeps.models.model_check import check_model, check_tokenizer
from deft_sweeps.tasks.hub_dataset import hub_revision, hub_rows
from tests.tiny import save_tiny_encoder

WORDS = ["great plot", "awful cast"]
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two commits of a model: the second knows more words."""
    root = tmp_path_factory.mktemp("commits")
    save_tiny_encoder(root / "first", "bert", WORDS)
    save_tiny_encoder(root / "second", "bert", [*WORDS, "music pace"])
    return root / "first", root / "second"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty hub cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for cached in (hub_commit, revision, load_tokenizer, hub_revision):
        cached.cache_clear()
    yield tmp_path / "hub"
    for cached in (hub_commit, revision, load_tokenizer, hub_revision):
        cached.cache_clear()


def fill(cache: Path, folder: Path, commit: str = FIRST, *refs: str) -> Path:
    """Put a folder's files into the cache as a commit of me/small; weights are named by SHA-256."""
    root = cache / "models--me--small"
    snapshot = root / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for place in ("blobs", "refs"):
        (root / place).mkdir(exist_ok=True)
    for file in folder.iterdir():
        content = file.read_bytes()
        digest = sha256 if file.suffix in (".safetensors", ".bin") else sha1
        blob = root / "blobs" / digest(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    for ref in refs or ("main",):
        (root / "refs" / ref).write_text(commit)
    return snapshot


def test_a_whole_model_is_used(cache: Path, models: tuple[Path, Path]) -> None:
    fill(cache, models[0])
    assert check_model("me/small") == check_tokenizer("me/small", WORDS) == []
    load_model("me/small", "fp32")
    assert revision("me/small") == FIRST


def test_a_vocab_txt_alone_is_the_whole_vocabulary(cache: Path, models: tuple[Path, Path]) -> None:
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "cast", "great", "plot"]
    fill(cache, models[0])
    snapshot = cache / "models--me--small" / "snapshots" / FIRST
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (snapshot / name).unlink()
    (snapshot / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = load_tokenizer("me/small")
    assert len(tokenizer) == len(words)
    assert tokenizer.unk_token_id not in tokenizer("great plot")["input_ids"]
    (snapshot / "vocab.txt").unlink()
    (problem,) = check_tokenizer("me/small", WORDS)
    assert problem == "me/small has no tokenizer: expected tokenizer.json or vocab.txt"


def test_pickled_weights_alone(cache: Path, models: tuple[Path, Path]) -> None:
    snapshot = fill(cache, models[0])
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    (problem,) = check_model("me/small")
    assert problem.startswith("me/small has no weights as *.safetensors (only pickled ones")
    assert "save_pretrained" in problem


def test_weights_that_were_never_fetched(cache: Path, models: tuple[Path, Path]) -> None:
    (fill(cache, models[0]) / "model.safetensors").unlink()
    (problem,) = check_model("me/small")
    assert problem.startswith("the weights of me/small are not in the hub's cache on this machine")


def test_a_shard_whose_blob_is_gone(cache: Path, models: tuple[Path, Path]) -> None:
    snapshot = fill(cache, models[0])
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model-1.safetensors").symlink_to("../../blobs/gone")
    (snapshot / "model.safetensors.index.json").write_text(
        '{"metadata": {}, "weight_map": {"x": "model-1.safetensors"}}'
    )
    (problem,) = check_model("me/small")
    assert "lacks model-1.safetensors, of the 1 weight files" in problem


def test_foreign_weights_under_the_name_of_a_blob(
    cache: Path, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and loadable, and not what the hub gave."""
    snapshot = fill(cache, models[0])
    assert check_model("me/small") == []
    reads: list[Path] = []
    monkeypatch.setattr(
        "deft_sweeps.models.hub_blob.sha256_file",
        lambda path: reads.append(path) or sha256(path.read_bytes()).hexdigest(),  # type: ignore[func-returns-value]
    )
    assert check_model("me/small") == []
    assert not reads, "read once more"
    blob = (snapshot / "model.safetensors").resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    os.utime(blob, ns=(1, 1))
    (problem,) = check_model("me/small")
    assert "is not the file that the hub gave: its SHA-256 is not " in problem
    assert f"delete {blob} and download it again" in problem
    assert reads == [blob]
    with pytest.raises(CheckpointError, match="is not the file that the hub gave"):
        load_model("me/small", "fp32")


@pytest.mark.parametrize(("given", "commit"), [(None, SECOND), ("v1", FIRST), (FIRST, FIRST)])
def test_a_revision_is_a_tag_or_a_commit(
    given: str | None, commit: str, cache: Path, models: tuple[Path, Path]
) -> None:
    fill(cache, models[0], FIRST, "v1")
    fill(cache, models[1], SECOND, "main")
    name = TrialConfig(model="me/small", revision=given).checkpoint
    n_words = 10 if commit == SECOND else 8
    assert check_model(name) == check_tokenizer(name, WORDS) == []
    assert revision(name) == commit
    assert read_config(name)["vocab_size"] == len(load_tokenizer(name)) == n_words
    model = load_model(name, "fp32")
    assert model.get_submodule("embeddings.word_embeddings").num_embeddings == n_words


@pytest.mark.parametrize(("given", "is_known"), [("v1", False), ("v2", True)])
def test_data_are_counted_in_the_tokens_of_the_revision(
    given: str, is_known: bool, cache: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    """No revision is named main, so nothing else than the one given can be read."""
    fill(cache, models[0], FIRST, "v1")
    fill(cache, models[1], SECOND, "v2")
    rows = [f"music pace {'great ' * (i + 1)},{'good' if i % 2 else 'bad'}" for i in range(40)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"name: pinned\nmodel: me/small\nrevision: {given}\n"
        "task: {kind: files, path: reviews.csv, text: text, label: label,"
        " splits: {validation: 8, test: 8}}\n"
        "space: {density: [none]}\nbudget: {trials: 1}\n"
    )
    done = CliRunner().invoke(app, ["data", str(spec), "--json"])
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["lengths"]["unknown_share"] == 0) == is_known


def test_an_unknown_revision_is_one_sentence(cache: Path, models: tuple[Path, Path]) -> None:
    fill(cache, models[0])
    (problem,) = check_model("me/small@v9")
    assert problem.startswith("me/small@v9 is no folder, and neither the hub's cache")
    assert "\n" not in problem


def test_a_folder_has_no_revision(models: tuple[Path, Path]) -> None:
    (problem,) = check_model(f"{models[0]}@v1")
    assert problem == f"{models[0]} is a folder, which has no revisions; leave out revision v1"


def test_a_revision_changes_the_id_and_its_default_does_not() -> None:
    plain = TrialConfig(model="me/small")
    assert TrialConfig(model="me/small", revision=None).config_id == plain.config_id
    assert TrialConfig(model="me/small", revision="v1").config_id != plain.config_id
    data = FileTask(hub="me/data")
    assert "revision" not in canonical(plain)
    assert "hub_revision" not in canonical(data)
    pinned = TrialConfig(task=FileTask(hub="me/data", hub_revision="v1"))
    assert pinned.config_id != TrialConfig(task=data).config_id


@pytest.mark.parametrize("wrong", ["", "a b", "-x", "me@v1"])
def test_what_is_no_revision(wrong: str) -> None:
    for make in (
        lambda: TrialConfig(model="me/small", revision=wrong),
        lambda: FileTask(hub="me/data", hub_revision=wrong),
    ):
        with pytest.raises(ValueError, match="as a commit, a tag or a branch"):
            make()
    with pytest.raises(ValueError, match="no settings of the hub beside path"):
        FileTask(path="x.csv", hub_revision="v1")


def test_a_spec_pins_a_revision(cache: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    fill(cache, models[0], FIRST, "v1")
    data = tmp_path / "reviews.csv"
    rows = [f"great plot awful cast {i},{'good' if i % 2 else 'bad'}" for i in range(80)]
    data.write_text("\n".join(["text,label", *rows]))

    def validate(pinned: str) -> tuple[int, str]:
        made = tmp_path / "spec.yaml"
        made.write_text(
            f"name: pinned\nmodel: me/small\nrevision: {pinned}\n"
            f"task: {{kind: files, path: {data}, max_input_tokens: 16,"
            " splits: {validation: 20, test: 20}}\n"
            "space: {density: [none, loss]}\nbudget: {trials: 2}\n"
        )
        done = CliRunner().invoke(app, ["validate", str(made)])
        return done.exit_code, done.stderr

    code, said = validate("v9")
    assert code == 2
    assert f"{tmp_path / 'spec.yaml'}:2:8: me/small@v9 is no folder" in said
    assert validate("v1") == (0, "")


def test_a_data_set_of_another_commit_is_refused(tmp_path: Path) -> None:
    """Without the hub the library gives what it has, whatever revision is asked for."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\na,0\nb,1\n")
    assert list(hub_rows(str(folder), None, "train", ["text"])) == [["a"], ["b"]]
    for given, what in ((FIRST, "the cache has the commit"), ("v1", "is not to be had")):
        with pytest.raises(DataError, match=f"at revision {given} cannot be had.*{what}"):
            list(hub_rows(str(folder), None, "train", ["text"], given))
