"""Checks every node of a cluster once, also those that join later, and says which get trials."""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.sweep import node_facts
from deft_sweeps.sweep.cluster_node import ClusterNode, live_nodes
from deft_sweeps.sweep.node_check import LIBRARIES, PACKAGE, NodeFacts, NodeReading, node_problems

OTHERS_SEC = 8.0
"""That further nodes are waited for at the start once one has passed."""
ANSWER_SEC = 60.0
"""That the first node is waited for. Importing Ray from a cold network disk takes a while."""
RETRY_SEC = 60.0
"""Between two checks of a node that failed: its user may have mended it."""
_POLL_SEC = 0.1
_MARKER = ".node-check-"
_STALE_SEC = 86400.0
_MOST_NAMES = 3

cloudpickle.register_pickle_by_value(node_facts)


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """What a node's check came to.

    Attributes:
        problems: reasons why the node gets no trial; none if it passed.
        facts: that the node gave; None if it gave none.
        at: when, by the monotonic clock.
    """

    node: ClusterNode
    problems: tuple[str, ...]
    facts: NodeFacts | None
    at: float


@dataclass(frozen=True, slots=True)
class _Question:
    """A check that has been sent."""

    node: ClusterNode
    reference: Any
    reply: Path | None
    sent_at: float


class NodeWatch:
    """Which nodes of a cluster can run trials.

    Args:
        folder: of the sweep, which the nodes must share; None if they need none.
        marker: a file in it that the driver has just written, under a name that is new.
        is_candidate: whether trials would fit on a node; others are not checked.
        least_gpu_bytes: of a GPU whose share holds a trial; 0 takes any.
        warn: receives a sentence about nodes that get no trials.
    """

    def __init__(
        self,
        folder: Path | None = None,
        marker: Path | None = None,
        *,
        is_candidate: Callable[[ClusterNode], bool] = lambda _: True,
        least_gpu_bytes: int = 0,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.marker, self._least_gpu_bytes = marker, least_gpu_bytes
        self._folder, self._is_candidate, self._warn = folder, is_candidate, warn
        self._driver = NodeFacts(**node_facts.gather_facts(PACKAGE, LIBRARIES, None, None))
        self._ask = ray.remote(num_cpus=0)(node_facts.gather_facts)
        self._alive: list[str] = []
        self._sent: dict[str, _Question] = {}
        self.verdicts: dict[str, NodeVerdict] = {}

    def nodes(self) -> list[ClusterNode]:
        """The live nodes that have passed; does not wait for answers.

        Raises:
            RayError: the head does not answer.
        """
        nodes = live_nodes()
        self._drop_all_but(nodes)
        self._send(nodes)
        self._warn_of(self._collect())
        return [node for node in nodes if self._has_passed(node.node_id)]

    def gpu_bytes(self) -> list[int | None]:
        """Of a GPU of each node that has passed and has some; None if the node does not say."""
        return [
            None if verdict.facts is None else verdict.facts.gpu_bytes
            for verdict in self.verdicts.values()
            if not verdict.problems and verdict.node.resources.get("GPU", 0) > 0
        ]

    def excluded(self) -> list[str]:
        """Ids of live nodes that have not passed, or not yet."""
        with suppress(RayError):  # The head is restarting: the last nodes stand.
            self._alive = [node.node_id for node in live_nodes()]
        return [node_id for node_id in self._alive if not self._has_passed(node_id)]

    def wait(self) -> None:
        """Wait for the first answers; nodes that fail are not warned of."""
        started = time.monotonic()
        self._send(live_nodes())
        while self._sent:
            passed = any(not verdict.problems for verdict in self.verdicts.values())
            if time.monotonic() - started > (OTHERS_SEC if passed else ANSWER_SEC):
                break
            ray.wait([question.reference for question in self._sent.values()], timeout=_POLL_SEC)
            self._collect()
        for question in self._sent.values():
            waited = f"no answer within {time.monotonic() - started:.0f} s"
            self._note(question.node, (f"{waited}; trials run there once it answers",), None)

    def require(self, where: str) -> None:
        """Wait for the first answers, and warn of the nodes that fail.

        Args:
            where: of the cluster, for the message.

        Raises:
            ConfigError: nodes were checked, and none of them passed.
        """
        self.wait()
        failed = [verdict for verdict in self.verdicts.values() if verdict.problems]
        if failed and len(failed) == len(self.verdicts):
            what = f"no node can run trials: {'; '.join(_by_reason(failed))}"
            raise ConfigError([Problem(where, what)])
        self._warn_of(failed)

    def _has_passed(self, node_id: str) -> bool:
        verdict = self.verdicts.get(node_id)
        return verdict is not None and not verdict.problems

    def _send(self, nodes: Iterable[ClusterNode]) -> None:
        now = time.monotonic()
        for node in filter(self._is_candidate, nodes):
            verdict = self.verdicts.get(node.node_id)
            is_due = verdict is None or (verdict.problems and now - verdict.at > RETRY_SEC)
            if node.node_id in self._sent or not is_due:
                continue
            marker = self.marker
            reply = None if marker is None else marker.with_name(f"{marker.name}.{node.node_id}")
            on_node = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
            reference = self._ask.options(scheduling_strategy=on_node).remote(
                PACKAGE, LIBRARIES, marker, reply
            )
            self._sent[node.node_id] = _Question(node, reference, reply, time.time())

    def _collect(self) -> list[NodeVerdict]:
        """Take the answers that have come.

        Returns:
            Of nodes that fail now and did not fail before.
        """
        references = [question.reference for question in self._sent.values()]
        if not references:
            return []
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        received_at = time.time()
        failed = []
        for question in [sent for sent in self._sent.values() if sent.reference in ready]:
            del self._sent[question.node.node_id]
            earlier = self.verdicts.get(question.node.node_id)
            verdict = self._judge(question, received_at)
            if verdict.problems and (earlier is None or not earlier.problems):
                failed.append(verdict)
        return failed

    def _judge(self, question: _Question, received_at: float) -> NodeVerdict:
        try:
            facts = NodeFacts(**ray.get(question.reference))
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else error
            return self._note(question.node, (f"the check failed: {short_reason(cause)}",), None)
        reply = question.reply
        reply_seen = reply is not None and reply.exists()
        if reply is not None:
            reply.unlink(missing_ok=True)
        store_bytes = question.node.resources.get("object_store_memory", 0.0)
        reading = NodeReading(facts, question.sent_at, received_at, reply_seen, store_bytes)
        problems = node_problems(reading, self._driver, self._folder, self._least_gpu_bytes)
        return self._note(question.node, problems, facts)

    def _note(
        self, node: ClusterNode, problems: tuple[str, ...], facts: NodeFacts | None
    ) -> NodeVerdict:
        verdict = NodeVerdict(node, problems, facts, time.monotonic())
        self.verdicts[node.node_id] = verdict
        return verdict

    def _drop_all_but(self, nodes: Iterable[ClusterNode]) -> None:
        alive = {node.node_id for node in nodes}
        for by_id in (self._sent, self.verdicts):
            for node_id in [node_id for node_id in by_id if node_id not in alive]:
                del by_id[node_id]

    def _warn_of(self, failed: Sequence[NodeVerdict]) -> None:
        for sentence in _by_reason(failed):
            self._warn(f"no trials on {sentence}")


@contextmanager
def node_watch(
    folder: Path | None,
    *,
    is_candidate: Callable[[ClusterNode], bool] = lambda _: True,
    least_gpu_bytes: int = 0,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[NodeWatch]:
    """Watch the nodes of the cluster that Ray is attached to.

    Args:
        folder: of the sweep, absolute and existing; a file lies in it for as long as the context
            lasts. None if the nodes need none.
        is_candidate: whether trials would fit on a node; others are not checked.
        least_gpu_bytes: of a GPU whose share holds a trial; 0 takes any.
        warn: receives a sentence about nodes that get no trials.

    Raises:
        OSError: the folder cannot be written here.
    """
    if folder is None:
        yield NodeWatch(is_candidate=is_candidate, least_gpu_bytes=least_gpu_bytes, warn=warn)
        return
    _remove_stale(folder)
    # A name that no node has looked for: network file systems remember names that were missing.
    marker = folder / f"{_MARKER}{secrets.token_hex(8)}"
    marker.touch()
    try:
        yield NodeWatch(
            folder,
            marker,
            is_candidate=is_candidate,
            least_gpu_bytes=least_gpu_bytes,
            warn=warn,
        )
    finally:
        for path in folder.glob(f"{marker.name}*"):
            path.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    """Remove the files of drivers that were killed."""
    for path in folder.glob(f"{_MARKER}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SEC:
                path.unlink()


def _by_reason(failed: Sequence[NodeVerdict]) -> Iterator[str]:
    """`host1 (10.0.0.1), host2 (10.0.0.2): reason`, for each reason."""
    by_reason: Mapping[str, list[str]] = defaultdict(list)
    for verdict in failed:
        by_reason["; ".join(verdict.problems)].append(str(verdict.node))
    for reason, names in by_reason.items():
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield f"{', '.join(names[:_MOST_NAMES])}{more}: {reason}"
