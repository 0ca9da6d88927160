"""Real tokenizers of the families with a head, trained on a few lines."""

from typing import Any

import pytest
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer
from transformers import BertTokenizer, RobertaTokenizer

CORPUS = [
    (
        "The tower was built from 1887 to 1889 by the company of Gustave Eiffel in the old town of"
        " Paris."
    ),
    "Who built it, and when? The quick brown fox jumps over the lazy dog, no matter what it costs.",
]


@pytest.fixture(scope="session", params=["bert", "roberta"])
def head_tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = str(tmp_path_factory.mktemp(request.param))
    if request.param == "bert":
        words = BertWordPieceTokenizer()
        words.train_from_iterator(CORPUS, vocab_size=120, min_frequency=1, show_progress=False)
        words.save_model(folder)
        return BertTokenizer.from_pretrained(folder)
    pieces = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces.train_from_iterator(
        CORPUS, vocab_size=330, min_frequency=1, special_tokens=special, show_progress=False
    )
    pieces.save_model(folder)
    return RobertaTokenizer.from_pretrained(folder)
