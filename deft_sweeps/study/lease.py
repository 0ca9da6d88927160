"""One driver a study, also where the study is in a database that other folders and machines reach.

The driver writes its name into the study and renews it; another one is refused while that is fresh.
The folder's own lock comes first, so a driver of the same folder on the same machine takes over at
once: the one before it is dead.
"""

import os
import secrets
import socket
import time
from pathlib import Path

from optuna.study import Study

from deft_sweeps.errors import StoreError

DRIVER = "driver"
"""User attribute of the study: who drives it."""
LEASE_SEC = 120.0
BEAT_SEC = 20.0


class Lease:
    """The right to write to one study.

    Args:
        folder: of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._host, self._folder = socket.gethostname(), str(folder.resolve())
        self._token = secrets.token_hex(8)
        self._beat_at = float("-inf")

    def check(self, study: Study) -> None:
        """Look whether the study is free.

        Raises:
            StoreError: another driver has it.
        """
        held = study.user_attrs.get(DRIVER)
        if (
            not held
            or held["token"] == self._token
            or (held["host"], held["folder"]) == (self._host, self._folder)
        ):
            return
        age = time.time() - held["at"]
        if age < LEASE_SEC:
            raise StoreError(
                f"the study {study.study_name} is in use by another driver: {held['folder']} on"
                f" {held['host']}, process {held['pid']}, last heard of {max(age, 0.0):.0f} s ago;"
                f" stop it, or wait {LEASE_SEC:.0f} s after its death"
            )

    def take(self, study: Study) -> None:
        """Make the study this driver's.

        Raises:
            StoreError: another driver has it, or took it at the same moment.
        """
        self.check(study)
        self._write(study, time.time())
        if study.user_attrs[DRIVER]["token"] != self._token:
            raise StoreError(f"another driver took the study {study.study_name} at the same moment")

    def beat(self, study: Study) -> None:
        """Renew the right; at most once in BEAT_SEC.

        Raises:
            StoreError: another driver has taken the study.
        """
        if time.monotonic() - self._beat_at < BEAT_SEC:
            return
        held = study.user_attrs.get(DRIVER)
        if held and held["token"] != self._token:
            raise StoreError(
                f"the study {study.study_name} was taken over by {held['folder']} on"
                f" {held['host']}, process {held['pid']}"
            )
        self._write(study, time.time())

    def release(self, study: Study) -> None:
        """Let go, so that another driver need not wait."""
        held = study.user_attrs.get(DRIVER)
        if held and held["token"] == self._token:
            self._write(study, 0.0)

    def _write(self, study: Study, at: float) -> None:
        told = {
            "token": self._token,
            "host": self._host,
            "folder": self._folder,
            "pid": os.getpid(),
            "at": at,
        }
        study.set_user_attr(DRIVER, told)
        self._beat_at = time.monotonic()
