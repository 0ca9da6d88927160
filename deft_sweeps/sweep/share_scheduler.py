"""Ray Tune's scheduler of a sweep: what each trial requests, also after it ran out of memory."""

from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from deft_sweeps.config.trial import codec
from deft_sweeps.result import MachineShare
from deft_sweeps.search.memory_exhaustion import next_share
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import EXHAUSTED, SHARE
from deft_sweeps.stopping.early_stopping import RungScheduler
from deft_sweeps.sweep.trial_shares import TrialShares


class ShareScheduler(RungScheduler):
    """Gives each trial its share of a machine, and a larger one if it ran out of memory in that.

    A trial whose worker Ray ended for the host's memory is no failure of its worker: the ladder of
    finer splits and larger shares ends by itself, so it does not count in `max_failures`.

    Args:
        searcher: knows the trials.
        shares: of machines.
        reason: why a trial lost its worker, by its Tune id and Ray's word for it.
        all_fit: as in RungScheduler.
        warn: receives a sentence about a trial that gets a larger share.
    """

    def __init__(
        self,
        searcher: StudySearcher,
        shares: TrialShares,
        *,
        reason: Callable[[str, str], str] = lambda _, why: why,
        all_fit: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(searcher.may_continue, self._note_lost, all_fit=all_fit)
        self._searcher, self._shares, self._reason, self._warn = searcher, shares, reason, warn
        self._ran_out: set[str] = set()
        self._paused: list[Any] = []

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Before a trial's first request; one that is taken up again has its share."""
        super().on_trial_add(tune_controller, trial)
        if trial.trial_id not in self._searcher.shares:
            self._request(trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """As the rule says; a trial whose share is exhausted waits for a larger one.

        If there is none, it goes on in its worker, which says that it is infeasible.
        """
        if EXHAUSTED not in result:
            return super().on_trial_result(tune_controller, trial, result)
        if self._next_share(trial) == self._searcher.shares.get(trial.trial_id):
            return str(TrialScheduler.CONTINUE)
        # First: Tune hands the worker on by the request that it was started with.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        self._request(trial)
        self._paused.append(trial)
        return str(TrialScheduler.NOOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Passes on why the trial failed, and requests what its next attempt needs."""
        super().on_trial_error(tune_controller, trial)
        if trial.status == Trial.RUNNING:  # There is no next attempt.
            return
        if trial.trial_id in self._ran_out:
            self._ran_out.discard(trial.trial_id)
            trial.max_failures += 1
        self._request(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A trial that waits for a larger share requests it at once."""
        if self._paused:
            return self._paused.pop(0)
        return super().choose_trial_to_run(tune_controller)

    def _note_lost(self, tune_id: str, why: str) -> None:
        if self._searcher.note_lost(tune_id, self._reason(tune_id, why)):
            self._ran_out.add(tune_id)

    def _next_share(self, trial: Any) -> MachineShare:
        """For a trial's next attempt."""
        proposal = self._searcher.proposal(trial.trial_id)
        if proposal is None:
            return MachineShare()
        exhausted = self._searcher.exhausted(trial.trial_id)
        return next_share(exhausted, self._shares.usual(proposal.config), self._shares.larger_than)

    def _request(self, trial: Any) -> None:
        """Make a trial request the share of its next attempt."""
        proposal = self._searcher.proposal(trial.trial_id)
        if proposal is None:
            return
        share = self._next_share(trial)
        before = self._searcher.shares.get(trial.trial_id)
        exhausted = self._searcher.exhausted(trial.trial_id)
        if exhausted and share not in (*exhausted, before):
            self._warn(
                f"{proposal.trial_id} ran out of memory in {exhausted[-1]} however its batches were"
                f" split, and goes on from its checkpoint in {share}"
            )
        self._searcher.shares[trial.trial_id] = share
        # In place: Tune holds these settings a second time, and `ended_trial` clears both.
        trial.config[SHARE] = codec(MachineShare).dump_json(share).decode()
        trial.set_config(trial.config)
        # An attempt that only says that its trial is infeasible fits anywhere. The machine that had
        # so large a share may have gone.
        requested = self._shares.usual(proposal.config) if share in exhausted else share
        placement = self._shares.placement(requested)
        if trial.placement_group_factory != placement:
            trial.update_resources(placement)
