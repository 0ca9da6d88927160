"""The driver's side of the process that mirrors results: a slow server never holds up the sweep."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.secrets import short_reason, without_secrets
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.mirroring import pack

RETRY_SEC = 30.0
PATIENCE_SEC = 60.0


class Follower:
    """Has each result mirrored, and again after a while where that failed. A process that dies is
    started again with the next result.

    Args:
        sweep: its folder.
        spec: of the sweep; its addresses may hold passwords.
        on_trouble: called with a sentence, from a thread of this.
    """

    def __init__(
        self,
        sweep: SweepDir,
        spec: SweepSpec,
        on_trouble: Callable[[str], None],
    ) -> None:
        root = str(sweep.root.resolve())
        self._start_message = {"root": root, "spec": pack(spec), "retry_sec": RETRY_SEC}
        self._on_trouble = on_trouble
        self._given_up = False
        self._start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def nudge(self, trial_id: str) -> None:
        """There is a new result."""
        if self._process.poll() is not None and time.monotonic() - self._started_at > RETRY_SEC:
            self._start_again()  # It begins with all that is not mirrored.
        else:
            self._tell({"new": trial_id})

    def close(self, *, interrupted: bool = False, patience_sec: float = PATIENCE_SEC) -> bool:
        """Catch up a last time, for as long as that gets on; returns whether the tracker is level
        with the store.

        Args:
            interrupted: the user waits: `patience_sec` is all there is.
            patience_sec: without news, before it is left as it is.
        """
        began = time.monotonic()
        for _ in range(2):  # Once more where it was dead, or dies now.
            if self._process.poll() is not None:
                self._start_again()
            self._tell({"close": interrupted})
            while (
                self._reader.is_alive()
                and time.monotonic() - (began if interrupted else max(began, self._heard_at))
                < patience_sec
            ):
                self._reader.join(0.2)
            if self._said_so or self._reader.is_alive():
                break
        self._given_up = True
        self._process.kill()
        self._process.wait()
        return self._level

    def _start(self) -> None:
        self._level = self._said_so = False
        self._started_at = self._heard_at = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deft_sweeps.sweep.mirroring"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C is the driver's. Not a session of its own: between sessions Linux knows no
            # niceness.
            process_group=0,
        )
        self._tell(self._start_message)  # Not among the arguments, which everyone may read.
        self._reader = threading.Thread(
            target=self._listen, args=(self._process,), name="tracker", daemon=True
        )
        self._reader.start()

    def _start_again(self) -> None:
        try:
            self._start()
        except OSError as error:  # No room for a process or its file: with the next result, then.
            self._on_trouble(
                f"the tracker's process cannot be started: {short_reason(error)}; what is missing"
                " is mirrored later"
            )

    def _tell(self, message: Mapping[str, object]) -> None:
        with suppress(OSError):  # It has ended, of which the reader tells.
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._heard_at = time.monotonic()
            document = json.loads(line)
            if "trouble" in document:
                self._on_trouble(document["trouble"])
            if "level" in document:
                self._level, self._said_so = document["level"], True
        if not self._said_so and not self._given_up:
            process.wait()
            self._on_trouble(
                f"the tracker's process ended ({process.returncode}): {self._last_words()}; what is"
                " missing is mirrored later"
            )

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return without_secrets(lines[-1])[:300] if lines else "it said nothing"
