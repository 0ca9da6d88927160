"""The share of a machine that each trial requests of Ray.

Trials of one sweep request the same, so that a worker can be handed on. A trial requests more if
trials of its kind were measured to need more than the projection says, or after it ran out of
memory itself.
"""

from collections.abc import Callable, Mapping, Sequence

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.projection.measured_peaks import kind_of, ratio_words
from deft_sweeps.projection.trial_request import larger_needs, raised_needs, trial_slots_on
from deft_sweeps.result import MachineShare
from deft_sweeps.sweep.learned_memory import LearnedMemory
from deft_sweeps.sweep.trial_placement import TrialPlacement

Machines = Callable[[], Sequence[Mapping[str, float]]]


class TrialShares:
    """Requests of trials, each with the memory that it stands for.

    Args:
        needs: of a trial in general, by Ray's names, each > 0.
        learned: what trials of each kind need.
        machines: resources of the machines that may run trials, by Ray's names.
        warn: receives a sentence about trials that request more.
        excluded: lists the ids of nodes that get no trials.
        gpu_bytes: memory of the GPUs that may run trials; none if it is not known.
        memory_bytes: of the machine, and the trials that share it, if trials request no memory of
            it; None if that is not known.
    """

    def __init__(
        self,
        needs: Mapping[str, float],
        learned: LearnedMemory,
        machines: Machines,
        *,
        warn: Callable[[str], None] = lambda _: None,
        excluded: Callable[[], Sequence[str]] = list,
        gpu_bytes: Callable[[], Sequence[int]] = list,
        memory_bytes: tuple[int, int] | None = None,
    ) -> None:
        self.needs = dict(needs)
        self._learned, self._machines, self._warn = learned, machines, warn
        self._excluded, self._gpu_bytes, self._memory_bytes = excluded, gpu_bytes, memory_bytes
        self._placements: dict[tuple[tuple[str, float], ...], TrialPlacement] = {}
        self._raised: set[tuple[str, str]] = set()

    def usual(self, config: TrialConfig) -> MachineShare:
        """Of a trial that has not run out of memory."""
        n_bytes = self._learned.bytes_of(config)
        if n_bytes is None:
            return self._share(self.needs)
        raised = raised_needs(self.needs, n_bytes, self._machines(), self._gpu_bytes())
        share = self._share(raised)
        kind = kind_of(config)
        if raised != self.needs and (kind, str(share)) not in self._raised:
            self._raised.add((kind, str(share)))
            why = ratio_words(kind, self._learned.ratio(config))
            self._warn(f"{why}, so they request {share} instead of {self._share(self.needs)}")
        return share

    def larger_than(self, share: MachineShare) -> MachineShare | None:
        """A larger share for a trial that ran out of memory in this one; None if there is none."""
        alone = self._memory_bytes is not None and self._memory_bytes[1] == 1
        if alone and share == self._share(self.needs):
            return None
        needs = larger_needs(share.resources, self._machines())
        return None if needs is None else self._share(needs)

    def largest_bytes(self) -> int | None:
        """Of memory that the largest trial of the sweep needs; None if that is not known."""
        return self._learned.largest_bytes()

    def placement(self, share: MachineShare) -> TrialPlacement:
        """Ray Tune's request of a share; the same one for equal shares."""
        key = tuple(sorted(share.resources.items()))
        if key not in self._placements:
            self._placements[key] = TrialPlacement(share.resources, self._excluded)
        return self._placements[key]

    def n_waiting(self) -> int:
        """Requests that no machine has met yet."""
        return sum(placement.n_waiting() for placement in self._placements.values())

    def larger_waits(self) -> bool:
        """Whether a trial that requests more than others waits for a machine that has so much.

        It would wait until the end of the search if other trials went on to take what becomes free.
        A request that no machine can meet any more holds up no other trial.
        """
        waiting = [
            needs
            for key, placement in self._placements.items()
            if (needs := dict(key)) != self.needs and placement.n_waiting()
        ]
        machines = self._machines() if waiting else ()
        can_be_met = [
            any(trial_slots_on(machine, needs) for machine in machines) for needs in waiting
        ]
        for needs, can_be in zip(waiting, can_be_met, strict=True):
            if not can_be:
                self._warn(
                    f"a trial waits for {self._share(needs)}, which no machine has any more; it"
                    " goes on once one that has joins, or in a resumed sweep"
                )
        return any(can_be_met)

    def _share(self, needs: Mapping[str, float]) -> MachineShare:
        return MachineShare(dict(needs), self._bytes_of(needs))

    def _bytes_of(self, needs: Mapping[str, float]) -> int | None:
        if "GPU" in needs:
            smallest = min(self._gpu_bytes(), default=None)
            return None if smallest is None else int(smallest * needs["GPU"])
        if "memory" in needs:
            return int(needs["memory"])
        if self._memory_bytes is None:
            return None
        n_bytes, n_trials = self._memory_bytes
        return n_bytes // n_trials if dict(needs) == self.needs else n_bytes
