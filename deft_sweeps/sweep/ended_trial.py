"""What Ray Tune keeps of a trial that has ended: as little as it lets us."""

from typing import Any


def release(trial: Any) -> None:
    """Drop the reports and the settings of a trial that has ended from Tune's own record of it.

    Tune holds every trial of a run until its end, with the last report. That one carries the whole
    result, which the sweep's folder has by then, so a driver of many trials would hold all of it in
    memory twice: once in the report, and once in the text that Tune writes at the end.

    Args:
        trial: Tune's.
    """
    memory = trial.run_metadata
    memory.last_result = {"done": True}  # Whether it has reported is asked of this.
    memory.metric_analysis, memory.metric_n_steps = {}, {}
    trial.config.clear()  # The same as its unresolved ones.
    trial.evaluated_params = {}
    trial.invalidate_json_state()
