import pytest

from deft_sweeps.result import FailedTrial, MachineShare, OutOfMemory, read_result, shares_of
from tests.fakes import fake_spec, plain

USUAL = MachineShare({"CPU": 1.0, "memory": 2.0**31}, 2**31)
LARGER = MachineShare({"CPU": 1.0, "memory": 2.0**32}, 2**32)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (USUAL, "2.00 GiB of memory"),
        (MachineShare({"CPU": 4.0}), "a share of 4 CPU"),
        (MachineShare({"GPU": 1 / 3}), "1/3 of a GPU"),
        (MachineShare({"GPU": 1.0}, 2**34), "a whole GPU (16.00 GiB)"),
    ],
)
def test_a_share_is_said_by_its_memory(share: MachineShare, words: str) -> None:
    assert str(share) == words


def test_each_share_counts_once() -> None:
    exhaustions = [OutOfMemory(n, share) for share in (USUAL, LARGER) for n in (1, 4, 16)]
    assert shares_of(exhaustions) == (USUAL, LARGER)


def test_a_result_holds_where_its_trial_ran_out_of_memory() -> None:
    exhaustions = (OutOfMemory(1, USUAL), OutOfMemory(4, LARGER))
    config = fake_spec().config(plain(1e-3))
    result = FailedTrial(config=config, seed=0, error="it did not fit", exhaustions=exhaustions)
    assert read_result(result.to_json()) == result
