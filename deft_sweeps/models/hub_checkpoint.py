"""Files of the model hub, in its own cache on this machine. Loads no torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.checkpoint_check import (
    file_names,
    is_pickled,
    weight_file_problems,
    weightless_sentence,
)
from deft_sweeps.models.hub_blob import altered_weights
from deft_sweeps.models.hub_reachability import hub_silence, hub_unasked_if_silent
from deft_sweeps.models.safetensors_header import has_weights, read_headers
from deft_sweeps.models.vocabulary import TOKENIZER_PATTERNS

_TIMEOUT_SEC = 5.0


def hub_config(name: str) -> Path:
    """config.json of a hub id, fetched unless the cache has the newest.

    Raises:
        CheckpointError: neither the cache nor the hub has it.
    """
    from huggingface_hub import hf_hub_download

    repository, revision = hub_id(name)
    with _hub_errors(name):
        return Path(
            hf_hub_download(repository, "config.json", revision=revision, etag_timeout=_TIMEOUT_SEC)
        )


def hub_id(name: str) -> tuple[str, str | None]:
    """Hub id and revision of `id@revision`; the revision is None if none is given."""
    repository, _, revision = name.partition("@")
    return repository, revision or None


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


def hub_weight_problems(name: str, config: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with the weights in the cache, or with those that the hub would give; fetches
    none.

    Args:
        name: hub id.
        config: config.json; None if it cannot be used.

    Raises:
        CheckpointError: neither the cache nor the hub has the model.
    """
    commit, folder = hub_commit(name), hub_config(name).parent
    silence = hub_silence()
    files = file_names(folder)
    if has_weights(folder):
        # Shards that are missing are still to be fetched.
        is_whole = bool(silence) or not read_headers(folder).problems
        problems = weight_file_problems(folder, config) if is_whole else []
        return problems or altered_weights(folder)
    if silence:
        if any(map(is_pickled, files)):
            return [weightless_sentence(name, files)]
        return [
            f"the weights of {name} are not in the hub's cache on this machine ({silence});"
            " download them where there is a network, or name its folder"
        ]
    from huggingface_hub import list_repo_files

    with _hub_errors(name):
        listed = list_repo_files(hub_id(name)[0], revision=commit)
    weightless = weightless_sentence(name, listed)
    return [weightless] if weightless else []


def _snapshot(name: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    commit = hub_commit(name)
    with _hub_errors(name):
        return Path(
            snapshot_download(
                hub_id(name)[0], revision=commit, allow_patterns=patterns, etag_timeout=_TIMEOUT_SEC
            )
        )


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    from huggingface_hub.errors import RevisionNotFoundError
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
        repository, revision = hub_id(name)
        if revision is not None and isinstance(error, RevisionNotFoundError):
            raise CheckpointError(
                f"{repository} has no revision {revision} on the hub; expected a commit, a tag or a"
                " branch of it"
            ) from error
        raise CheckpointError(
            f"{name} is no folder, and neither the hub's cache on this machine nor the hub gives it"
            f" ({reason}); check the name, download it where there is a network, or name its folder"
        ) from error
    finally:
        if had_bars:
            enable_progress_bars()
