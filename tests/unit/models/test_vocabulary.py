"""Tokenizers from vocabulary files alone, held against their models and the data before anything
starts.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoints import load_tokenizer, revision
from deft_sweeps.models.families import PUBLISHED_CONFIGS, layout
from deft_sweeps.models.model_check import check_model, check_tokenizer
from deft_sweeps.models.vocabulary import (
    SPECIAL_IDS,
    embedding_rows,
    special_token_problems,
    vocabulary_misfit,
)
from tests.tiny import tiny_encoder, tiny_t5, write_reviews

CORPUS = [
    f"{how} {what} and number {i} cut"
    for how in ("great", "awful")
    for i, what in enumerate(["plot", "cast", "music", "pace"])
]
HINDI = ["फिल्म बहुत अच्छी थी", "संगीत नीरस लगा"]
COMMIT = "c" * 40


def bert(folder: Path, family: str = "bert") -> Path:
    """A tiny BERT or RoBERTa with its vocabulary in the files of the original releases alone."""
    folder.mkdir()
    if family == "bert":
        words = BertWordPieceTokenizer()
        words.train_from_iterator(CORPUS, vocab_size=200, min_frequency=1, show_progress=False)
        words.save_model(str(folder))
        n_tokens = words.get_vocab_size()
    else:
        pieces = ByteLevelBPETokenizer()
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        pieces.train_from_iterator(
            CORPUS, vocab_size=330, min_frequency=1, special_tokens=special, show_progress=False
        )
        pieces.save_model(str(folder))
        n_tokens = pieces.get_vocab_size()
    model: Any = tiny_encoder(family, vocab_size=n_tokens)
    model.save_pretrained(folder)
    return folder


def t5(folder: Path) -> Path:
    """A tiny T5 with its vocabulary in spiece.model alone, as sentencepiece trains it."""
    import sentencepiece

    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 20),
        model_prefix=str(folder / "spiece"),
        vocab_size=30,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.vocab").unlink()
    n_tokens = sentencepiece.SentencePieceProcessor(str(folder / "spiece.model")).vocab_size()
    model: Any = tiny_t5(vocab_size=n_tokens + 100)
    model.save_pretrained(folder)
    return folder


def set_config(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def tokens(name: str, text: str) -> list[str]:
    tokenizer = load_tokenizer(name)
    tokens: list[str] = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    return tokens


def test_a_bert_with_vocab_txt_alone(tmp_path: Path) -> None:
    name = str(bert(tmp_path / "m"))
    assert check_model(name) == check_tokenizer(name, CORPUS) == []
    assert len(load_tokenizer(name)) == embedding_rows(tmp_path / "m", "bert")
    assert tokens(name, "Great plot") == ["[CLS]", "great", "plot", "[SEP]"]


def test_a_roberta_with_vocab_json_and_merges_txt_alone(tmp_path: Path) -> None:
    name = str(bert(tmp_path / "m", "roberta"))
    assert check_model(name) == check_tokenizer(name, CORPUS) == []
    assert tokens(name, "great plot") == ["<s>", "great", "Ġplot", "</s>"]
    (tmp_path / "m" / "merges.txt").unlink()
    assert check_model(name) == [
        f"{name} has no tokenizer: expected tokenizer.json or vocab.json with merges.txt"
    ]


def test_a_t5_with_spiece_model_alone(tmp_path: Path) -> None:
    name = str(t5(tmp_path / "m"))
    assert check_model(name) == check_tokenizer(name, CORPUS) == []
    assert tokens(name, "great plot")[-1] == "</s>"
    assert "".join(tokens(name, "great plot")[:-1]) == "▁great▁plot"


def test_the_vocabulary_is_part_of_the_revision(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    before = revision(str(folder))
    revision.cache_clear()
    lines = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    assert revision(str(folder)) != before


@pytest.mark.parametrize(
    ("n_tokens", "n_rows"), [(30522, 30522), (32100, 32128), (250_100, 250_112), (97, 97), (1, 128)]
)
def test_published_sizes_go_together(n_tokens: int, n_rows: int) -> None:
    assert vocabulary_misfit(n_tokens, n_rows) == ""


@pytest.mark.parametrize(
    ("n_tokens", "n_rows", "what"),
    [
        (5, 30522, "has 5 tokens, the model's embedding 30,522 rows: at least 90%"),
        (30522, 50265, "files of it are missing"),
        (30523, 30522, "tokens beyond the last row cannot be read"),
    ],
)
def test_sizes_that_do_not_go_together(n_tokens: int, n_rows: int, what: str) -> None:
    assert what in vocabulary_misfit(n_tokens, n_rows)


def test_tokens_beyond_the_embedding(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    rows = embedding_rows(folder, "bert")
    assert rows is not None
    with (folder / "vocab.txt").open("a") as file:
        file.write("brandnew\n")
    (problem,) = check_tokenizer(str(folder), CORPUS)
    assert f"has {rows + 1} tokens, the model's embedding {rows} rows" in problem
    with pytest.raises(CheckpointError, match="tokens beyond the last row cannot be read"):
        load_tokenizer(str(folder))


def test_weights_and_config_that_disagree(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    rows = embedding_rows(folder, "bert")
    assert rows is not None
    set_config(folder, vocab_size=rows + 8)
    (problem,) = check_tokenizer(str(folder), CORPUS)
    assert problem.endswith(
        f"its weights have {rows} embedding rows, and config.json says vocab_size {rows + 8}"
    )


def test_a_tokenizer_of_equal_size_whose_padding_is_another_token(tmp_path: Path) -> None:
    """RoBERTa counts positions from its padding token on: another one's tokens would have none."""
    folder = bert(tmp_path / "m", "roberta")
    path = folder / "vocab.json"
    ids = json.loads(path.read_text())
    ids["<pad>"], ids["</s>"] = ids["</s>"], ids["<pad>"]
    path.write_text(json.dumps(ids))
    (problem,) = check_tokenizer(str(folder), CORPUS)
    assert problem.startswith(f"{folder}: the tokenizer's pad_token_id is 2, the model's 1: ")
    with pytest.raises(CheckpointError, match="pad_token_id is 2, the model's 1"):
        load_tokenizer(str(folder))


def test_a_model_without_a_padding_token(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    set_config(folder, pad_token_id=None)
    (problem,) = check_tokenizer(str(folder), CORPUS)
    assert problem.endswith(
        "config.json says pad_token_id null: write there the id that padding has"
    )


T5_CONFIG = PUBLISHED_CONFIGS["google-t5/t5-small"]


@pytest.mark.parametrize(
    ("said", "tokenizer_ids", "expected"),
    [
        ({}, (0, 1), []),
        ({"pad_token_id": 0, "eos_token_id": 1}, (0, 1), []),
        ({}, (0, None), ["the tokenizer has nothing that ends an answer"]),
        ({"eos_token_id": 1}, (0, 2), ["the tokenizer's eos_token_id is 2, the model's 1"]),
        ({"pad_token_id": 0}, (3, 1), ["the tokenizer's pad_token_id is 3, the model's 0"]),
    ],
)
def test_special_tokens_of_a_model_that_writes(
    said: dict[str, int], tokenizer_ids: tuple[int, int | None], expected: list[str]
) -> None:
    ids = dict(zip(SPECIAL_IDS, tokenizer_ids, strict=True))
    problems = special_token_problems(T5_CONFIG | said, layout(T5_CONFIG), ids)
    assert [what.split(":")[0] for what in problems] == expected


def test_a_damaged_vocabulary_is_one_sentence(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m", "roberta")
    (folder / "vocab.json").write_text("{")
    (problem,) = check_tokenizer(str(folder), CORPUS)
    assert problem.startswith(f"cannot load the tokenizer of {folder}: ")
    assert "\n" not in problem


def test_texts_that_the_tokenizer_does_not_know(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    for name in (str(folder), "packaged/flan-t5-small-title"):
        (problem,) = check_tokenizer(name, HINDI)
        assert "the tokenizer has no tokens for" in problem
        assert check_tokenizer(name, [*CORPUS, HINDI[0]]) == []
    # Byte by byte everything is known.
    assert check_tokenizer(str(bert(tmp_path / "r", "roberta")), HINDI) == []


def spec(folder: Path, model: str, data: Path) -> Path:
    path = folder / "spec.yaml"
    task = (
        f"{{kind: files, path: {data}, max_input_tokens: 16, splits: {{validation: 20, test: 20}}}}"
    )
    path.write_text(
        f"name: words\nmodel: {model}\ntask: {task}\nspace: {{density: [none, loss]}}\nbudget:"
        " {trials: 2}\n"
    )
    return path


def test_nothing_starts_with_a_tokenizer_that_does_not_know_the_data(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    vocabulary = bert(tmp_path / "m") / "vocab.txt"
    made = spec(tmp_path, str(tmp_path / "m"), data)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = vocabulary.read_text().splitlines()
    vocabulary.write_text(
        "\n".join([*special, *(f"other{i}" for i in range(len(words) - 5))]) + "\n"
    )
    for command in (["validate"], ["run", "--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, [command[0], str(made), *command[1:]])
        assert done.exit_code == 2
        assert f"{made}:2:" in done.stderr
        assert (
            "% of the data's characters (at most 50%), so the model would see unknown tokens"
            in done.stderr
        )
    assert not (tmp_path / "out").exists()


def test_trying_a_tokenizer_loads_nothing_heavy(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m")
    code = (
        "import sys\nfrom deft_sweeps.models.model_check import check_tokenizer\n"
        f"assert check_tokenizer({str(folder)!r}, {CORPUS!r}) == []\n"
        f"assert check_tokenizer('packaged/minilm-l6', {CORPUS!r}) == []\n"
        "assert not {'torch', 'transformers', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A model hub on this machine: its address, its folder of repositories, and the files that were
    fetched from it.
    """
    root, fetched = tmp_path / "hub", list[str]()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                name = "/".join(parts[2:4])
                files = [path for path in sorted((root / name).iterdir()) if path.is_file()]
                tree = [
                    {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": COMMIT}
                    for path in files
                ]
                whole = {
                    "id": name,
                    "sha": COMMIT,
                    "siblings": [{"rfilename": path.name} for path in files],
                }
                self._send(json.dumps(tree if "tree" in parts else whole).encode())
                return
            path = root / "/".join(parts[:2]) / parts[-1]
            if path.is_file():
                if self.command == "GET":
                    fetched.append(path.name)
                self._send(path.read_bytes())
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def _send(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("ETag", f'"{sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", root, fetched
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("family", "files"), [("bert", {"vocab.txt"}), ("roberta", {"vocab.json", "merges.txt"})]
)
def test_the_hub_gives_every_file_of_a_tokenizer(
    family: str, files: set[str], hub: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, root, fetched = hub
    (root / "me").mkdir(parents=True)
    folder = bert(root / "me" / "small", family)
    (folder / "added_tokens.json").write_text("{}")
    (folder / "training_log.txt").write_text("long")
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
    }
    environment |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_XET": "1"}

    def call(code: str) -> list[str]:
        modules = ("checkpoints", "model_check")
        imports = [f"from deft_sweeps.models.{module} import *" for module in modules]
        lines = "\n".join([*imports, code])
        done = subprocess.run(
            [sys.executable, "-c", lines],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert call(f"print(check_model('me/small'), check_tokenizer('me/small', {CORPUS!r}))") == [
        "[] []"
    ]
    assert files < set(fetched)
    assert not {"model.safetensors", "training_log.txt"} & set(fetched)
    output = call(
        "t = load_tokenizer('me/small')\nprint(len(t), t.unk_token_id in t('great"
        " plot')['input_ids'])"
    )
    assert output == [f"{embedding_rows(folder, family)} False"]
    call("load_model('me/small', 'fp32')")
    assert "model.safetensors" in fetched


def test_a_hub_model_without_a_vocabulary_is_refused(
    hub: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, root, _ = hub
    (root / "me").mkdir(parents=True)
    (bert(root / "me" / "bare") / "vocab.txt").unlink()
    made = spec(tmp_path, "me/bare", write_reviews(tmp_path / "reviews.csv"))
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
    }
    environment |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "deft_sweeps", "validate", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"{made}:2:8: me/bare has no tokenizer: expected tokenizer.json or vocab.txt\n"
    )
