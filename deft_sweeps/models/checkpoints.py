"""From a checkpoint's name (hub id, folder, or `packaged/<name>`) to its config, tokenizer and weights."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.cache import sha256_file
from deft_sweeps.config.axes import Dtype
from deft_sweeps.errors import CheckpointError, DeftSweepsError
from deft_sweeps.models.families import PUBLISHED_CONFIGS, family_of, layout
from deft_sweeps.models.hub_checkpoint import hub_commit, hub_config, hub_folder
from deft_sweeps.packaged.checkpoint_conversion import is_packaged, packaged_config, packaged_folder, packaged_revision, source_folder

if TYPE_CHECKING:
    import torch

_TOKENIZER_FILES = ("tokenizer.json", "spiece.model")


def read_config(name: str) -> dict[str, Any]:
    """What config.json says, without torch; known hub checkpoints need no download.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be reached.
    """
    if is_packaged(name):
        return packaged_config(name)
    folder = _folder(name)
    if folder is None and name in PUBLISHED_CONFIGS:
        return dict(PUBLISHED_CONFIGS[name])
    path = folder / "config.json" if folder else hub_config(name)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(config).__name__}")
    return config


def load_model(name: str, dtype: Dtype) -> "torch.nn.Module":
    """The pretrained model in eval mode on the CPU, from safetensors only; no code of the checkpoint's is run.

    A model that answers by a head comes without one.

    Raises:
        CheckpointError: it is missing, of an unknown family, or its weights do not fill the model.
    """
    config = read_config(name)
    family = family_of(layout(config))
    import torch
    import transformers

    source = _source(name)
    with _quiet():
        try:
            loaded, told = getattr(transformers, family.auto_class).from_pretrained(
                source,
                dtype=torch.float32 if dtype == "fp32" else torch.bfloat16,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **family.load_options,
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load {name}: {error}") from error
    wrong = sorted({*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])})
    if wrong:
        raise CheckpointError(f"the weights of {name} do not fill the model of its config.json; without: {', '.join(wrong[:5])}")
    if family.text is not None:
        _check_output_projection(name, config, loaded)
    model: torch.nn.Module = loaded.eval()
    return model


def _check_output_projection(name: str, config: Mapping[str, Any], loaded: Any) -> None:
    untied = loaded.get_output_embeddings().weight is not loaded.get_input_embeddings().weight
    if config.get("tie_word_embeddings") is False and not untied:
        raise CheckpointError(f"{name} says that its output projection is a matrix of its own, and its weights have none")
    if untied:
        # transformers says True whatever the checkpoint says, and would tie the two on the next save or resize.
        loaded.config.tie_word_embeddings = False


@cache
def load_tokenizer(name: str) -> Any:
    """The checkpoint's tokenizer, loaded once a process.

    Raises:
        CheckpointError: it is missing.
    """
    from transformers import AutoTokenizer

    source = _source(name)
    with _quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load the tokenizer of {name}: {error}") from error
    # A checkpoint may come with another family's tokenizer, whose columns the model does not take.
    taken = family_of(layout(read_config(name))).model_inputs
    tokenizer.model_input_names = [column for column in tokenizer.model_input_names if column in taken]
    return tokenizer


@cache
def revision(name: str) -> str:
    """What tells these weights from any others: a hash of the files, or the hub's commit.

    Raises:
        CheckpointError: the checkpoint is missing.
    """
    if is_packaged(name):
        return packaged_revision(name)
    folder = _folder(name)
    if folder is None:
        return hub_commit(name)
    files = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".json", ".model"})
    return sha256("\n".join(f"{path.name} {sha256_file(path)}" for path in files).encode()).hexdigest()


def check_model(name: str) -> list[str]:
    """What keeps `name` from being used, found without loading or converting anything; empty when nothing does."""
    problems = []
    try:
        layout(read_config(name))
    except DeftSweepsError as error:
        problems.append(str(error))
    try:
        if is_packaged(name):
            source_folder(name)
        elif (folder := _folder(name)) is not None:
            problems += _check_folder(folder)
        else:
            hub_commit(name)
    except DeftSweepsError as error:
        problems.append(str(error))
    return list(dict.fromkeys(problems))


def _check_folder(folder: Path) -> list[str]:
    problems = []
    if not any(folder.glob("*.safetensors")):
        pickled = " (only pickled ones, which are not loaded)" if any(folder.glob("pytorch_model*.bin")) else ""
        problems.append(f"{folder} has no weights as *.safetensors{pickled}")
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        problems.append(f"{folder} has no tokenizer: expected {' or '.join(_TOKENIZER_FILES)}")
    return problems


def _folder(name: str) -> Path | None:
    """The folder that `name` names; None where it is a hub id."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise CheckpointError(f"no folder {name}")
    return None


def _source(name: str) -> Path:
    if is_packaged(name):
        return packaged_folder(name)
    folder = _folder(name)
    return folder if folder is not None else hub_folder(name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the loader's progress bars and advice off the user's screen, and leave its settings as they were."""
    from transformers.utils import logging

    level, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()
