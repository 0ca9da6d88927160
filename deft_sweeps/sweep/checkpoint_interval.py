"""How long a trial trains between two checkpoints."""

from dataclasses import dataclass

TRAINING_SHARE = 0.02
"""Of a trial's time, at most, is spent on its checkpoints."""
FOLDER_SHARE = 0.5
"""Of the time, at most, the sweep's folder is busy with checkpoints, of all trials together."""
LEAST_SEC, MOST_SEC = 15.0, 1800.0


@dataclass(frozen=True, slots=True)
class CheckpointCost:
    """What one checkpoint took.

    Attributes:
        pause_sec: that training stood still, the write included.
        write_sec: of these, until the file was on the disk.
    """

    pause_sec: float
    write_sec: float


def automatic_interval(cost: CheckpointCost | None, n_trials: int) -> float:
    """Seconds of training between two checkpoints, from LEAST_SEC to MOST_SEC.

    A pause p every t seconds of training is a share p / (p + t) of the trial's time. `n_trials`
    trials that write for w seconds each, every p + t seconds, keep the folder busy for a share
    n w / (p + t) of the time. The interval is the least t that keeps both within TRAINING_SHARE and
    FOLDER_SHARE. Beyond MOST_SEC the loss of a worker would cost too much, and the shares are
    exceeded instead.

    Args:
        cost: of the worker's last checkpoint; None before its first.
        n_trials: that run at a time, on all nodes, >= 1.
    """
    if cost is None:
        return LEAST_SEC
    for_training = cost.pause_sec * (1.0 / TRAINING_SHARE - 1.0)
    for_folder = n_trials * cost.write_sec / FOLDER_SHARE - cost.pause_sec
    return min(max(for_training, for_folder, LEAST_SEC), MOST_SEC)


class CheckpointClock:
    """Says when a worker's trial is due for a checkpoint.

    Args:
        every_sec: of training between two checkpoints; None follows `automatic_interval`.
    """

    def __init__(self, every_sec: float | None) -> None:
        self._every_sec = every_sec
        self._cost: CheckpointCost | None = None
        self._n_trials = 1
        self._since = 0.0

    def begin(self, now: float, n_trials: int) -> None:
        """A trial begins.

        What the last one's checkpoints cost stands until this one has written its first.

        Args:
            now: seconds by a monotonic clock.
            n_trials: that run at a time, on all nodes.
        """
        self._since, self._n_trials = now, max(1, n_trials)

    def is_due(self, now: float) -> bool:
        """Whether the interval has passed."""
        return now - self._since >= self.interval_sec

    def saved(self, now: float, cost: CheckpointCost | None) -> None:
        """A checkpoint was tried.

        Args:
            now: seconds by a monotonic clock.
            cost: of the checkpoint; None if it could not be written.
        """
        self._since, self._cost = now, cost or self._cost

    @property
    def interval_sec(self) -> float:
        """Seconds of training from one checkpoint to the next."""
        if self._every_sec is not None:
            return self._every_sec
        return automatic_interval(self._cost, self._n_trials)
