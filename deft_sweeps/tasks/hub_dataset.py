"""Data sets of the hub, or folders in its layout, through `datasets` and its own cache. Loads no
torch.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.models.hub_reachability import hub_silence, hub_unasked_if_silent

_LONGEST_TOLD = 300
_COMMIT = re.compile(r"[0-9a-f]{40}")


@cache
def hub_revision(name: str, config: str | None, revision: str | None = None) -> str:
    """What tells the data set's files from any others: the library's hash of configuration and
    commit.

    Raises:
        DataError: neither the cache nor the hub has it.
    """
    from datasets import load_dataset_builder

    with _hub_errors(name, config, revision):
        builder = load_dataset_builder(name, config, revision=revision)
        _check_commit(builder.hash, revision)
        return f"{builder.config_id} {builder.hash}"


def hub_rows(
    name: str,
    config: str | None,
    split: str,
    columns: Sequence[str],
    revision: str | None = None,
) -> Iterator[list[Any]]:
    """The values of some columns, row by row; classes by their names.

    Raises:
        DataError: neither the cache nor the hub has it, or it lacks the split or a column.
    """
    from datasets import ClassLabel, load_dataset

    if revision is not None:
        hub_revision(name, config, revision)
    with _hub_errors(name, config, revision):
        loaded = load_dataset(name, config, split=split, revision=revision)
    missing = [column for column in columns if column not in loaded.column_names]
    if missing:
        raise DataError(
            f"{name}, split {split}: no column {', '.join(missing)}; there are"
            f" {', '.join(loaded.column_names)}"
        )
    # GLUE writes -1 where it keeps the label to itself.
    names = {
        column: of.names for column, of in loaded.features.items() if isinstance(of, ClassLabel)
    }
    for row in loaded.select_columns(list(dict.fromkeys(columns))):
        yield [_named(row[column], names.get(column)) for column in columns]


def _named(value: Any, names: Sequence[str] | None) -> Any:
    if names is None or value is None:
        return value
    return names[value] if 0 <= value < len(names) else ""


def _check_commit(commit: str, revision: str | None) -> None:
    """Without the hub, the library gives whatever commit its cache has.

    Raises:
        ValueError: that is not, or not surely, the one that was asked for.
    """
    if revision is None or commit == revision:
        return
    if _COMMIT.fullmatch(revision):
        raise ValueError(f"the cache has the commit {commit}, not this one")
    if silence := hub_silence():
        raise ValueError(f"{silence}, so that the commit of this tag or branch is not to be had")


@contextmanager
def _hub_errors(name: str, config: str | None, revision: str | None) -> Iterator[None]:
    from datasets import config as library
    from datasets.utils import logging as progress

    had_bars, offline = progress.is_progress_bar_enabled(), library.HF_HUB_OFFLINE
    progress.disable_progress_bar()
    library.HF_HUB_OFFLINE = offline or bool(hub_silence())
    try:
        with hub_unasked_if_silent():
            yield
    except (
        Exception
    ) as error:  # the library raises its own, the hub client's, its transport's and builtin errors
        message = " ".join(str(error).split())[:_LONGEST_TOLD].rstrip(".;")
        # What the library says of a hub that it must not ask is no reason.
        is_away = isinstance(error, ConnectionError | FileNotFoundError)
        reason = (hub_silence() if is_away else "") or message or type(error).__name__
        which = f"{name} ({config})" if config else name
        which += f" at revision {revision}" if revision else ""
        raise DataError(
            f"the data set {which} cannot be had, neither from the hub's cache on this machine nor"
            f" from the hub: {reason}; check the name, fetch it where there is a network, or name a"
            " folder with its files"
        ) from error
    finally:
        library.HF_HUB_OFFLINE = offline
        if had_bars:
            progress.enable_progress_bar()
