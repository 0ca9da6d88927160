"""Tokens counted without transformers, beside what transformers itself counts."""

from pathlib import Path

from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.models.token_counter import token_counter
from tests.tiny import save_tiny_encoder

TEXTS = ["great plot", "", "awful cast awful", "nobody knows these", *["great"] * 1100]


def test_lengths_and_unknown_tokens_are_those_of_transformers(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "model", "bert", ["great plot", "awful cast"])
    name = str(tmp_path / "model")
    counter = token_counter(name)
    assert counter is not None
    tokenizer = load_tokenizer(name)
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    n_unknown = sum(one.count(tokenizer.unk_token_id) for one in ids)
    assert n_unknown > 0
    assert counter(TEXTS) == (list(map(len, ids)), n_unknown / sum(map(len, ids)))


def test_a_file_that_cuts_and_pads_does_not_cut_or_pad_here(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    save_tiny_encoder(tmp_path / "model", "bert", ["great plot", "awful cast"])
    file = tmp_path / "model" / "tokenizer.json"
    before = token_counter(str(tmp_path / "model"))
    cutting = Tokenizer.from_file(str(file))
    cutting.enable_truncation(3)
    cutting.enable_padding(length=50)
    cutting.save(str(file))
    after = token_counter(str(tmp_path / "model"))
    assert before is not None
    assert after is not None
    assert before(TEXTS[:4]) == after(TEXTS[:4])


def test_without_a_tokenizer_json_there_is_no_counter(tmp_path: Path) -> None:
    save_tiny_encoder(tmp_path / "model", "bert", ["great plot"])
    (tmp_path / "model" / "tokenizer.json").unlink()
    assert token_counter(str(tmp_path / "model")) is None
    assert token_counter("me/nothing-of-this-name") is None
