"""Classes that a model that writes cannot write, or not apart, are refused before a trial."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.models.checkpoints import check_model, check_tokenizer
from deft_sweeps.models.vocabulary import unwritable_classes
from tests.tiny import save_tiny, save_tiny_encoder, tiny_t5

CASES = Path(__file__).parents[2] / "cases"
TEXTS = ["great plot", "awful cast"]
PACKAGED = "packaged/flan-t5-small-title"


@pytest.fixture(scope="module")
def own_t5(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A T5 in a folder, whose tokenizer a process of its own tries."""
    folder = tmp_path_factory.mktemp("own") / "t5"
    save_tiny(folder, PACKAGED)
    return str(folder)


def test_names_of_equal_tokens_and_unknown_ones() -> None:
    names, ids = ("a", "b", "c", "d"), ((5, 1), (5, 1), (2, 1), (7, 1))
    alike, unknown = unwritable_classes(names, ids, 2)
    assert alike == "the tokenizer writes these classes alike: 'a', 'b'; give them other names"
    assert unknown.startswith("the tokenizer has no tokens for a part of these classes: 'c';")
    assert unwritable_classes(names, ids, None) == [alike]
    assert unwritable_classes(names[2:], ids[2:], 9) == []


@pytest.mark.parametrize("own", [True, False])
def test_names_that_a_t5_cannot_write(own: bool, own_t5: str) -> None:
    name = own_t5 if own else PACKAGED
    assert check_tokenizer(name, TEXTS, ("negative", "positive", "50K")) == []
    (unknown,) = check_tokenizer(name, TEXTS, ("<=50K", "50K"))
    assert "no tokens for a part of these classes: '<=50K';" in unknown
    alike, unknown = check_tokenizer(name, TEXTS, ("好", "坏", "fine"))
    assert "writes these classes alike: '好', '坏';" in alike
    assert "'好', '坏';" in unknown


@pytest.mark.parametrize(
    ("case", "names"), [("labels-cjk-t5", "'好评', '差评'"), ("labels-lt-gt-t5", "'<=50K'")]
)
def test_run_names_the_classes_and_starts_nothing(case: str, names: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["run", str(CASES / case / "spec.yaml"), "--out", str(out)])
    assert done.exit_code == 2
    assert f"spec.yaml:2:8: the tokenizer has no tokens for a part of these classes: {names};" in (
        done.stderr
    )
    assert not out.exists()


def test_a_head_takes_any_names(tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    rows = [f"great plot {i},{'好' if i % 2 else '坏'}" for i in range(80)]
    data.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    made = tmp_path / "spec.yaml"
    made.write_text(
        "name: names\nmodel: packaged/minilm-l6\n"
        f"task: {{kind: files, path: {data}, splits: {{validation: 20, test: 20}}}}\n"
        "space: {density: [none, loss]}\nbudget: {trials: 2}\n"
    )
    done = CliRunner().invoke(app, ["validate", str(made)])
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
def test_a_byt5_is_refused_by_name(file: str, tmp_path: Path) -> None:
    model = tiny_t5()
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    path = tmp_path / file
    settings = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(settings | {"tokenizer_class": "ByT5Tokenizer"}))
    assert check_model(str(tmp_path)) == [
        f"{tmp_path} has the tokenizer ByT5Tokenizer, which is not supported for T5, T5 v1.1 and"
        " Flan-T5: expected tokenizer.json or spiece.model"
    ]


def test_a_slow_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path, "bert", TEXTS)
    (tmp_path / "tokenizer.json").unlink()
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *"abcdefghij"]
    (tmp_path / "vocab.txt").write_text("\n".join(words[:8]) + "\n")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"})
    )
    assert any(
        "its tokenizer, BertJapaneseTokenizer, is a slow one" in problem
        for problem in check_tokenizer(str(tmp_path), ["a"])
    )
