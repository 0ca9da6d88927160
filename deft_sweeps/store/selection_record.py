"""What a sweep's folder holds of its certificate.

selection/chain.json                    the chain, written before the examples are read
selection/<trial_id>@<threshold>.json   FinalMeasurement of a candidate or a baseline
"""

from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.result import Chain, FinalMeasurement
from deft_sweeps.store.json_record import read_record, write_record


@dataclass(frozen=True, slots=True)
class SelectionRecord:
    """The chain of a sweep, and what was measured of it on the selection split.

    Attributes:
        root: the sweep's folder.
    """

    root: Path

    @staticmethod
    def of(folder: str) -> "SelectionRecord":
        """The record of a sweep's folder, named as in a YAML."""
        return SelectionRecord(Path(folder).expanduser())

    @property
    def _folder(self) -> Path:
        return self.root / "selection"

    @property
    def _chain_path(self) -> Path:
        return self._folder / "chain.json"

    def chain(self) -> Chain | None:
        """The chain; None before it is written.

        Raises:
            StoreError: it cannot be read. It is never made anew: the examples may have been read.
        """
        try:
            chain = read_record(self._chain_path, Chain)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._chain_path}: cannot be read as a chain of candidates: {error} (restore it"
                " from a copy: without it nothing can be certified by these examples)"
            ) from error
        return chain

    def write_chain(self, chain: Chain) -> None:
        """Fix the chain.

        Raises:
            StoreError: there is one already, or measurements without one: a second order of the
                same examples would be chosen after they were seen.
        """
        if self._chain_path.exists():
            raise StoreError(f"{self._chain_path} is written already, and is never changed")
        if any(self._folder.glob("*@*.json")):
            raise StoreError(
                f"{self._folder} holds measurements and no chain.json: the examples have been read,"
                " so no new order of candidates can be certified (restore chain.json from a copy)"
            )
        write_record(self._chain_path, chain)

    def write(self, measurement: FinalMeasurement) -> None:
        """Keep a measurement on the selection split."""
        write_record(self._folder / f"{measurement.name}.json", measurement)

    def measurements(self) -> dict[str, FinalMeasurement]:
        """What was measured on the selection split, by the candidate's name.

        Raises:
            StoreError: a file cannot be read; the message names it.
        """
        measurements: dict[str, FinalMeasurement] = {}
        for path in sorted(self._folder.glob("*@*.json")):
            try:
                measurement = read_record(path, FinalMeasurement)
            except (OSError, ValueError) as error:
                raise StoreError(
                    f"{path}: cannot be read as a measurement: {error} (move the file away; it is"
                    " measured again)"
                ) from error
            measurements[measurement.name] = measurement
        return measurements
