import resource
import sys

import pytest
import torch

from deft_sweeps.process_memory import resident_bytes
from deft_sweeps.trial.freed_memory import give_back_freed, keeping_freed

MIB = 2**20

glibc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")


def faults_of_ten_tensors() -> int:
    """Page faults while a tensor of 16 MiB is made and freed ten times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(4 * MIB)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_a_block_freed_inside_is_used_again_without_new_pages() -> None:
    with keeping_freed():
        torch.ones(4 * MIB)
        assert faults_of_ten_tensors() < 1000


@glibc
def test_what_was_kept_is_given_back_at_the_end() -> None:
    with keeping_freed():
        blocks = [torch.ones(MIB) for _ in range(40)]
        del blocks
        inside = resident_bytes()
    assert resident_bytes() < inside - 100 * MIB


def test_the_context_ends_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), keeping_freed():
        raise ZeroDivisionError
    give_back_freed()
