"""Runs a `StudySearcher` without Ray: what tests of the search share."""

from collections.abc import Callable

from optuna.trial import TrialState

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.result import FailedTrial, TrialResult
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import report
from deft_sweeps.study.optuna_study import finished
from tests.fakes import fake_result


def trial_of(proposal: object) -> tuple[TrialConfig, int]:
    """Configuration and seed of what the searcher proposed."""
    assert isinstance(proposal, dict)
    config: TrialConfig = codec(TrialConfig).validate_json(proposal["config"])
    return config, proposal["seed"]


def play(
    searcher: StudySearcher,
    n: int,
    make: Callable[[TrialConfig, int], TrialResult] = fake_result,
) -> list[str]:
    """Runs up to `n` trials one after the other and returns their ids."""
    ids = []
    for i in range(n):
        proposal = searcher.suggest(f"tune-{i}")
        if proposal == "FINISHED":
            break
        config, seed = trial_of(proposal)
        ids.append(config.trial_id(seed))
        searcher.on_trial_complete(f"tune-{i}", report(20, (), make(config, seed)))
    return ids


def states(searcher: StudySearcher) -> dict[str, TrialState]:
    """States of the study's finished trials by trial_id."""
    return {t.user_attrs["trial_id"]: t.state for t in finished(searcher.study)}


def failed(config: TrialConfig, seed: int) -> FailedTrial:
    """The result of a trial that failed."""
    return FailedTrial(config=config, seed=seed, error="no", started_at=1.0, finished_at=2.0)
