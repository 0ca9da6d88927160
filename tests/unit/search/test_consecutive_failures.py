import pytest

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import FailedTrial
from deft_sweeps.search.consecutive_failures import MOST_ALIKE, ConsecutiveFailures, error_kind
from deft_sweeps.store.secrets import last_failure
from tests.fakes import fake_result

WORKER = """Failure # 1 (occurred at 2026-11-28_01-{n:02}-00)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tactor_id: {actor}
\tpid: {pid}
\tnamespace: 5f3a{n:02}
\tip: 10.77.0.{n}
The actor is dead because its node has died. Node Id: {node}
"""
CREATION = """Failure # 1 (occurred at 2026-11-28_01-{n:02}-00)
The actor died because of an error raised in its creation task, \x1b[36mray::__init__()\x1b[39m \
(pid={pid}, ip=10.77.0.{n}, actor_id={actor}, repr=<ImplicitFunc object at 0x7f{actor}>)
  File "/tmp/tmp{tmp}/a.py", line {n}, in setup
    raise OSError
OSError: \x1b[31mno\x1b[0m room for /tmp/tmp{tmp}/x, {n}.5 GB of 9 GB are free
"""
MEMORY = """Failure # 1 (occurred at 2026-11-28_01-{n:02}-00)
Task was killed due to the node running low on memory.
Memory on the node (IP: 10.77.0.{n}, ID: {node}) where the lease (actor ID: {actor}, \
name=ImplicitFunc.__init__, pid={pid}, memory used=0.{n}GB) was running was {n}.2GB / 16GB.
"""


def texts(log: str) -> list[str]:
    """What ten failures of one cause say, no two of which are equal."""
    filled = (
        log.format(
            n=n,
            pid=10**n % 99991 + n,
            actor=f"{n:02x}" * n,
            node=f"{n + 64:02x}" * 28,
            tmp="abcdefgh"[n % 8 :] + "abcdefgh"[: n % 8],
        )
        for n in range(1, MOST_ALIKE + 1)
    )
    return [f"its worker was lost 3 times, last: {last_failure(each)}" for each in filled]


@pytest.mark.parametrize("log", [WORKER, CREATION, MEMORY], ids=["node", "creation", "memory"])
def test_failures_of_one_cause_are_alike_whatever_ids_and_addresses_they_name(log: str) -> None:
    errors = texts(log)
    assert len(set(errors)) == MOST_ALIKE
    assert len({error_kind(error) for error in errors}) == 1
    assert not any("\x1b" in error or "\n" in error for error in errors)
    failures = ConsecutiveFailures()
    for error in errors:
        assert failures.reason == ""
        failures.add(FailedTrial(config=TrialConfig(), seed=0, error=error))
    assert failures.reason.startswith("10 trials failed one after the other: its worker was lost 3")


def test_failures_of_other_causes_are_not() -> None:
    kinds = [error_kind(texts(log)[0]) for log in (WORKER, CREATION, MEMORY)]
    kinds += [error_kind(f"ModuleNotFoundError: No module named '{name}'") for name in ("a", "b")]
    assert len(set(kinds)) == 5


def test_a_result_in_between_begins_the_count_anew() -> None:
    failures = ConsecutiveFailures()
    for n in range(3 * MOST_ALIKE):
        failures.add(FailedTrial(config=TrialConfig(), seed=0, error=f"died (pid={n})"))
        if n % (MOST_ALIKE - 1) == 0:
            failures.add(fake_result(TrialConfig(), 0))
        assert failures.reason == ""


def test_trials_that_memory_does_not_suffice_for_do_not_end_a_sweep() -> None:
    failures = ConsecutiveFailures()
    for _ in range(2 * MOST_ALIKE):
        failures.add(FailedTrial(config=TrialConfig(), seed=0, error="no room", infeasible=True))
    assert failures.reason == ""
    for _ in range(MOST_ALIKE):
        failures.add(FailedTrial(config=TrialConfig(), seed=0, error="no room"))
    assert failures.reason
