"""What a sweep's folder holds of one choice on the test split: a file a role."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.result.number_check import check_numbers
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.json_record import read_record, write_record
from deft_sweeps.store.result_file import unreadable

FINAL_ROLES = ("chosen", "baseline", "twin")


@dataclass(frozen=True, slots=True)
class FinalRecord:
    """The measurements of one policy's choice on the test split.

    Attributes:
        folder: `final/` for the sweep's own policy, `policies/<id>/` for a later one.
        policy: the later policy, which stands beside the measurements; empty for the sweep's own.
    """

    folder: Path
    policy: str = ""

    def path(self, role: str) -> Path:
        """A measurement's file."""
        return self.folder / f"{role}.json"

    def write(self, measurement: FinalMeasurement) -> None:
        """Keep a measurement; one of the same role is replaced."""
        if self.policy:
            write_atomically(self.folder / "policy.txt", f"{self.policy}\n".encode())
        write_record(self.path(measurement.role), measurement)

    def clear(self, keep: Collection[str] = ()) -> None:
        """Forget the measurements, which were of another choice, except those in the roles to
        `keep`.
        """
        for role in FINAL_ROLES:
            if role not in keep:
                self.path(role).unlink(missing_ok=True)

    def measurements(self) -> tuple[FinalMeasurement, ...]:
        """The measurements, `chosen` first.

        Raises:
            StoreError: a file cannot be read; the message names it.
        """
        finals: list[FinalMeasurement] = []
        for role in FINAL_ROLES:
            path = self.path(role)
            if path.is_file():
                try:
                    final = read_record(path, FinalMeasurement)
                    check_numbers(final)
                except (ValueError, OverflowError) as error:
                    raise StoreError(unreadable(path, "a final measurement", error)) from error
                finals.append(final)
        return tuple(finals)
