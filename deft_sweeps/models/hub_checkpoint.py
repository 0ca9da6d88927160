"""Files of the model hub, in its own cache on this machine. Loads no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.hub_reachability import hub_silence, hub_unasked_if_silent
from deft_sweeps.models.vocabulary import TOKENIZER_PATTERNS

_TIMEOUT_SEC = 5.0


def hub_config(name: str) -> Path:
    """config.json of a hub id, fetched unless the cache has the newest.

    Raises:
        CheckpointError: neither the cache nor the hub has it.
    """
    from huggingface_hub import hf_hub_download

    with _hub_errors(name):
        return Path(hf_hub_download(name, "config.json", etag_timeout=_TIMEOUT_SEC))


@cache
def hub_commit(name: str) -> str:
    """Commit that `name` stands for in this process.

    Raises:
        CheckpointError: neither the cache nor the hub has it.
    """
    # A snapshot's folder is named after its commit.
    return hub_config(name).parent.name


def hub_folder(name: str) -> Path:
    """Folder with configs, tokenizer and safetensors of `hub_commit`; nothing else is fetched.

    Raises:
        CheckpointError: neither the cache nor the hub has them.
    """
    return _snapshot(name, ["*.safetensors", *TOKENIZER_PATTERNS])


def hub_tokenizer_folder(name: str) -> Path:
    """The same folder with configs and tokenizer; weights are not fetched.

    Raises:
        CheckpointError: neither the cache nor the hub has them.
    """
    return _snapshot(name, list(TOKENIZER_PATTERNS))


def _snapshot(name: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    commit = hub_commit(name)
    with _hub_errors(name):
        return Path(
            snapshot_download(
                name, revision=commit, allow_patterns=patterns, etag_timeout=_TIMEOUT_SEC
            )
        )


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with hub_unasked_if_silent():
            yield
    except (
        Exception
    ) as error:  # the hub's client raises its own, its transport's and builtin errors
        reason = hub_silence() or type(error).__name__
        raise CheckpointError(
            f"{name} is no folder, and neither the hub's cache on this machine nor the hub gives it"
            f" ({reason}); check the name, download it where there is a network, or name its folder"
        ) from error
    finally:
        if had_bars:
            enable_progress_bars()
