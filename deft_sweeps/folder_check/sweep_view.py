"""A sweep's folder as its checks see it: each part is read once."""

from dataclasses import dataclass, replace
from functools import cached_property

from deft_sweeps.errors import ConfigError, StoreError
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.result import CompleteTrial, TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True)
class SweepView:
    """What the checks share.

    Attributes:
        sweep: the folder.
        is_driven: whether a driver holds it: what it has not mirrored yet is no problem then.
    """

    sweep: SweepDir
    is_driven: bool

    @cached_property
    def spec_errors(self) -> tuple[str, ...]:
        """Why the spec cannot be used; empty if it can."""
        try:
            stored_spec(self.sweep)
        except ConfigError as error:
            return tuple(str(problem) for problem in error.problems)
        except (OSError, ValueError) as error:
            return (str(error),)
        return ()

    @cached_property
    def spec(self) -> SweepSpec:
        """The spec, in the dtype of the trials that there are.

        Raises:
            StoreError: it cannot be used.
        """
        if self.spec_errors:
            raise StoreError("spec.yaml cannot be used")
        spec = stored_spec(self.sweep)
        result = next(iter(self.results.values()), None)
        return spec if result is None else spec.with_dtype(result.config.dtype)

    @cached_property
    def trial_ids(self) -> frozenset[str]:
        """Trials that have a file of a result, also those that cannot be read now."""
        return frozenset(self.sweep.trial_ids())

    @cached_property
    def results(self) -> dict[str, TrialResult]:
        """Every readable result by trial_id, in the order they ended, without single examples."""
        readable: list[TrialResult] = []
        for trial_id in self.trial_ids:
            try:
                readable.append(_slim(self.sweep.result(trial_id)))
            except StoreError:  # The check of results names it.
                continue
        readable.sort(key=lambda result: (result.finished_at, result.trial_id))
        return {result.trial_id: result for result in readable}

    @cached_property
    def note(self) -> DriverNote | None:
        """What the driver last said."""
        return self.sweep.note()

    @property
    def is_finished(self) -> bool:
        """Whether the last driver came to its end."""
        return self.note is not None and self.note.state == "finished"


def _slim(result: TrialResult) -> TrialResult:
    if not isinstance(result, CompleteTrial):
        return result
    points = tuple(replace(point, example_scores=NO_SCORES) for point in result.points)
    return replace(result, points=points)
