"""The chain and what was measured of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.result import Candidate, Chain
from deft_sweeps.store.selection_record import SelectionRecord
from tests.made_sweep import sweep_finals

CHAIN = Chain(
    alpha=0.05,
    policy="best activation_density where score >= 0.5",
    limits=("score >= 0.5",),
    metric="activation_density",
    baselines={"peft": Candidate(trial_id="a-s0", threshold=0.0)},
    candidates=(Candidate(trial_id="a-s0", threshold=0.5, p_validation=0.01, value=0.3),),
    n_examples=1200,
)


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = SelectionRecord(tmp_path)
    assert record.chain() is None
    assert record.measurements() == {}
    record.write_chain(CHAIN)
    assert record.chain() == CHAIN
    final = replace(sweep_finals()[0], role="candidate")
    record.write(final)
    assert record.measurements() == {final.name: final}


def test_a_chain_is_never_written_twice(tmp_path: Path) -> None:
    record = SelectionRecord(tmp_path)
    record.write_chain(CHAIN)
    with pytest.raises(StoreError, match="never changed"):
        record.write_chain(CHAIN)


def test_no_chain_is_made_once_the_examples_have_been_read(tmp_path: Path) -> None:
    record = SelectionRecord(tmp_path)
    record.write_chain(CHAIN)
    record.write(replace(sweep_finals()[0], role="candidate"))
    (tmp_path / "selection" / "chain.json").unlink()
    with pytest.raises(StoreError, match="the examples have been read"):
        record.write_chain(CHAIN)


@pytest.mark.parametrize("damage", ["{", '{"alpha": 2}', "[]"])
def test_a_damaged_chain_is_named(tmp_path: Path, damage: str) -> None:
    record = SelectionRecord(tmp_path)
    record.write_chain(CHAIN)
    (tmp_path / "selection" / "chain.json").write_text(damage)
    with pytest.raises(StoreError, match=r"chain\.json"):
        record.chain()
