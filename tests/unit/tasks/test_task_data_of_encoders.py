"""A local checkpoint folder of an encoder, without a hub, and how little of a large split a worker
holds.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.models.families import FAMILIES
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.task_data import load_task
from tests.tiny import HEAD_FAMILIES, save_tiny_encoder, tiny_tokenizer, write_reviews

NOUNS = ["plot", "cast", "music", "pace", "script", "light"]

N_ROWS = 50_000

LOADED = """
import gc, sys
from pathlib import Path
from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.task_data import load_task

def own_kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("RssAnon")).split()[1])

small, large, model = sys.argv[1:]
load_task(FileTask(path=small, splits=Splits(validation=20, test=20)), model).train[0]
before = own_kib()
data = load_task(FileTask(path=large, splits=Splits(validation=600, test=600)), model)
n_tokens = sum(len(data.train[i]["input_ids"]) for i in range(0, len(data.train), 10))
gc.collect()
held = sum(isinstance(thing, Example) for thing in gc.get_objects())
print(len(data.train), n_tokens, own_kib() - before, held)
"""


@pytest.mark.parametrize("family", HEAD_FAMILIES)
def test_a_local_folder_is_all_it_takes(family: str, tmp_path: Path) -> None:
    path = write_reviews(tmp_path / "reviews.csv")
    texts = [line.split(",")[0] for line in path.read_text().splitlines()]
    save_tiny_encoder(tmp_path / family, family, texts)
    task = FileTask(path=str(path), max_input_tokens=16, splits=Splits(validation=20, test=20))
    data, splits, tokenizer = (
        load_task(task, str(tmp_path / family)),
        read_splits(task, "head"),
        tiny_tokenizer(family, texts),
    )
    assert (data.kind, data.form, data.classes) == (
        "classification",
        "head",
        ("negative", "positive"),
    )
    for split, examples in ((data.train, splits.train), (data.test, splits.test)):
        assert (
            split["input_ids"][:] == tokenizer([example.text for example in examples])["input_ids"]
        )
        assert split["label"][:] == [data.classes.index(example.label) for example in examples]
        assert ("token_type_ids" in split.column_names) == (
            "token_type_ids" in FAMILIES[family].model_inputs
        )
        assert "target_ids" not in split.column_names


@pytest.mark.slow
def test_a_worker_maps_a_large_split_and_holds_none_of_its_texts(tmp_path: Path) -> None:
    small = write_reviews(tmp_path / "small.csv")
    large = tmp_path / "large.csv"
    rest = "and the music of the plot and the pace of the cast and the light of the script"
    rows = (
        f"{'great' if i % 2 else 'awful'} {NOUNS[i % 6]} number {i}"
        f" {rest},{'positive' if i % 2 else 'negative'}"
        for i in range(N_ROWS)
    )
    large.write_text("\n".join(["text,label", *rows]) + "\n")
    save_tiny_encoder(tmp_path / "bert", "bert", ["great awful number and the of", *NOUNS])

    def loaded() -> tuple[int, int, int, int]:
        command: list[Any] = [sys.executable, "-c", LOADED, small, large, tmp_path / "bert"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        n_rows, n_tokens, grown_kib, n_held = map(int, done.stdout.split())
        return n_rows, n_tokens, grown_kib, n_held

    made, mapped = loaded(), loaded()
    assert made[:2] == mapped[:2]
    assert made[0] == N_ROWS - 1200
    # Twenty tokens a row; their ids alone are four bytes each in the file that is mapped.
    assert made[1] > N_ROWS / 10 * 20
    assert (made[3], mapped[3]) == (0, 0)
    assert mapped[2] < 4 * 2**10
    # What the allocator keeps of the process that read and tokenised them all.
    assert made[2] < 6 * large.stat().st_size / 2**10
