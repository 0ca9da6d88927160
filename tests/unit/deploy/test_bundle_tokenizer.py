"""The tokenizer without transformers, beside the one of transformers."""

import json
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.deploy.bundle_tokenizer import BundleTokenizer, can_be_read
from deft_sweeps.models.checkpoints import load_tokenizer
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.passages import encode_passages
from deft_sweeps.tasks.tokens import cut, encode
from deft_sweeps.tasks.windows import encode_for_head, encode_windows
from tests.tiny import TINY_FAMILIES, tiny_tokenizer

TEXTS = [
    "A great film; the cast's joy is catching.",
    "",
    "  spaces   around and  between ",
    "ünïcode 漢字 \U0001f600 and\ttabs",
    "one word and then very many more " * 9,
]
PAIRS = [Example(text, "", "", second=other) for text in TEXTS for other in (TEXTS[0], TEXTS[-1])]
SINGLES = [Example(text, "", "") for text in TEXTS]
NAMES = ("packaged/flan-t5-small-title", "packaged/minilm-l6", *TINY_FAMILIES)


@pytest.fixture(scope="module", params=NAMES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name, folder = request.param, tmp_path_factory.mktemp("tokenizer")
    whole = tiny_tokenizer(name, TEXTS) if name in TINY_FAMILIES else load_tokenizer(name)
    whole.save_pretrained(folder)
    assert can_be_read(folder)
    return whole, BundleTokenizer(folder)


def test_it_encodes_whatever_a_task_asks_for_as_transformers_does(both: Any) -> None:
    def made(tokenizer: Any) -> list[Any]:
        columns: list[Any] = [encode_for_head(tokenizer, which, 24) for which in (SINGLES, PAIRS)]
        if tokenizer.eos_token_id is None:
            columns.append(encode_windows(tokenizer, PAIRS, 24, 4))
        else:
            columns.append(encode_passages(tokenizer, PAIRS, "q: {text} c: {text_pair}", 24, 4))
            columns.append(encode(tokenizer, TEXTS, "sentiment: {text}", 16))
            columns.append(encode(tokenizer, TEXTS, "{text} / {text_pair}", 16, TEXTS[::-1]))
        # After a call that cut, one that does not.
        return [*columns, [cut(tokenizer, text, n) for text in TEXTS for n in (1, 7, 1000)]]

    whole, light = both
    assert made(light) == made(whole)


def test_it_decodes_and_names_tokens_as_transformers_does(both: Any) -> None:
    whole, light = both
    for name in ("pad_token_id", "eos_token_id", "unk_token_id"):
        assert getattr(light, name) == getattr(whole, name)
    for text in TEXTS:
        ids = whole(text)["input_ids"]
        for skip in (True, False):
            assert light.decode(ids, skip_special_tokens=skip) == whole.decode(
                ids, skip_special_tokens=skip
            )


def test_a_tokenizer_that_does_more_than_its_file_says_is_left_to_transformers(
    tmp_path: Path,
) -> None:
    assert not can_be_read(tmp_path)
    tiny_tokenizer("bert", TEXTS).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    plain = json.loads(path.read_text())
    for setting in (
        {"clean_up_tokenization_spaces": True},
        {"truncation_side": "left"},
        {"tokenizer_class": "BertTokenizer"},
    ):
        path.write_text(json.dumps(plain | setting))
        assert not can_be_read(tmp_path)
    path.write_text(json.dumps(plain))
    assert can_be_read(tmp_path)
