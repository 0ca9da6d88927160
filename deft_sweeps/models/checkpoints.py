"""From a checkpoint's name (hub id, folder, or `packaged/<name>`) to its config, tokenizer and
weights.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.cache import sha256_file
from deft_sweeps.config.axes import Dtype
from deft_sweeps.config.data import local_path
from deft_sweeps.errors import CheckpointError, DeftSweepsError
from deft_sweeps.models.checkpoint_check import (
    adapter_sentence,
    file_names,
    lacks_pooler,
    pooler_note,
    quantized_sentence,
    weight_file_problems,
    weightless_sentence,
    with_pooler_stated,
)
from deft_sweeps.models.families import PUBLISHED_CONFIGS, family_of, layout
from deft_sweeps.models.hub_blob import altered_weights
from deft_sweeps.models.hub_checkpoint import (
    hub_commit,
    hub_config,
    hub_folder,
    hub_id,
    hub_tokenizer_folder,
    hub_weight_problems,
)
from deft_sweeps.models.quiet_loading import quiet_loading
from deft_sweeps.models.safetensors_header import read_headers
from deft_sweeps.models.vocabulary import (
    SPECIAL_IDS,
    UNTYPED_FILES,
    embedding_rows,
    missing_vocabulary,
    probe,
    sample,
    special_token_problems,
    too_unknown,
    unknown_share,
    unwritable_classes,
    vocabulary_misfit,
)
from deft_sweeps.models.weight_fit import has_own_output, load_options, unfilled
from deft_sweeps.packaged.checkpoint_conversion import (
    is_packaged,
    packaged_config,
    packaged_folder,
    packaged_revision,
    source_folder,
)

if TYPE_CHECKING:
    import torch


def read_config(name: str) -> dict[str, Any]:
    """What config.json says, without torch; known hub checkpoints need no download.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be reached.
    """
    if is_packaged(name):
        return packaged_config(name)
    folder = _folder(name)
    if folder is None and hub_id(name)[0] in PUBLISHED_CONFIGS:
        return dict(PUBLISHED_CONFIGS[hub_id(name)[0]])
    if folder and (adapter := adapter_sentence(folder)):
        raise CheckpointError(adapter)
    path = folder / "config.json" if folder else hub_config(name)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(config).__name__}")
    return with_pooler_stated(config, path.parent)


def load_model(name: str, dtype: Dtype) -> "torch.nn.Module":
    """The pretrained model in eval mode on the CPU, from safetensors only; no code of the
    checkpoint's is run.

    A model that answers by a head comes without one.

    Raises:
        CheckpointError: it is missing, of an unknown family, or its weights do not fill the model.
    """
    config = read_config(name)
    family = family_of(layout(config))
    if quantized := quantized_sentence(config):
        raise CheckpointError(f"{name}: {quantized}")
    source = _source(name)
    if weightless := weightless_sentence(str(source), file_names(source)):
        raise CheckpointError(f"cannot load {name}: {weightless}")
    headers = read_headers(source)
    if damage := [*headers.problems, *altered_weights(source)]:
        raise CheckpointError(f"cannot load {name}: {'; '.join(damage)}")
    if lacks_pooler(config, headers.shapes):  # Known only now where the weights were fetched now.
        config["add_pooling_layer"] = False
    import torch
    import transformers

    with quiet_loading():
        try:
            loaded, loading_info = getattr(transformers, family.auto_class).from_pretrained(
                source,
                dtype=torch.float32 if dtype == "fp32" else torch.bfloat16,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # `unfilled` names them.
                **load_options(config, family),
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load {name}: {error}") from error
    if wrong := unfilled(loaded, loading_info, config):
        raise CheckpointError(f"{name}: {'; '.join(wrong)}")
    if config.get("add_pooling_layer") is False:
        loaded.config.add_pooling_layer = False  # A layout is read off this config.
    if family.text is not None and has_own_output(loaded):
        # transformers says True whatever the checkpoint says, and would tie the two on the next
        # save or resize.
        loaded.config.tie_word_embeddings = False
    model: torch.nn.Module = loaded.eval()
    return model


@cache
def load_tokenizer(name: str) -> Any:
    """The checkpoint's tokenizer, loaded once a process.

    Raises:
        CheckpointError: it is missing, or not this model's.
    """
    from transformers import AutoTokenizer

    config = read_config(name)
    shape = layout(config)
    source = _tokenizer_source(name)
    # Without these files transformers makes up a vocabulary of special tokens.
    if lacking := missing_vocabulary(source, shape.family):
        raise CheckpointError(f"{name} {lacking}")
    with quiet_loading():
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot load the tokenizer of {name}: {error}") from error
    special = {key: getattr(tokenizer, key) for key in SPECIAL_IDS}
    misfits = [
        vocabulary_misfit(len(tokenizer), shape.vocab_size),
        *special_token_problems(config, shape, special),
    ]
    if misfit := next(filter(None, misfits), ""):
        raise CheckpointError(f"{name}: {misfit}")
    # A checkpoint may come with another family's tokenizer, whose columns the model does not take.
    taken = family_of(shape).model_inputs
    tokenizer.model_input_names = [
        column for column in tokenizer.model_input_names if column in taken
    ]
    return tokenizer


def check_tokenizer(name: str, texts: Sequence[str], classes: Sequence[str] = ()) -> list[str]:
    """What keeps the tokenizer of a model without other problems from being used on these texts;
    loads neither weights nor torch.

    Args:
        name: of the model.
        texts: that it reads.
        classes: names that it writes; none for a head.
    """
    some = sample(texts)
    if is_packaged(name):
        # Its files are pinned by their hash, and weights need not be converted to read them.
        from tokenizers import Tokenizer

        own = Tokenizer.from_file(str(source_folder(name) / "tokenizer.json"))
        own.no_truncation()
        own.no_padding()
        unknown = own.token_to_id(family_of(layout(read_config(name))).unknown_token)
        too_many = too_unknown(unknown_share(own, unknown, some))
        class_ids = [own.encode(one).ids for one in classes]
        return [
            *([too_many] if too_many else []),
            *unwritable_classes(classes, class_ids, unknown),
        ]
    try:
        config = read_config(name)
        shape, source = layout(config), _tokenizer_source(name)
    except DeftSweepsError as error:
        return [str(error)]
    if lacking := missing_vocabulary(source, shape.family):
        return [f"{name} {lacking}"]
    tried = probe(source, some, tuple(classes))
    if "error" in tried:
        return [f"cannot load the tokenizer of {name}: {tried['error']}"]
    rows = embedding_rows(source, shape.family)
    problem = [
        vocabulary_misfit(tried["n_tokens"], rows or shape.vocab_size),
        too_unknown(tried["unknown_share"]),
    ]
    problem += unwritable_classes(classes, tried["class_ids"], tried["unknown_id"])
    problem += special_token_problems(config, shape, tried["special"])
    if rows not in (None, shape.vocab_size):
        problem.append(
            f"its weights have {rows:,} embedding rows, and config.json says vocab_size"
            f" {shape.vocab_size:,}"
        )
    if not tried["is_fast"]:
        problem.append(
            f"its tokenizer, {tried['kind']}, is a slow one, which does not say where in a text its"
            " tokens end; save a tokenizer.json beside it"
        )
    return [f"{name}: {what}" for what in problem if what]


def tokenizer_file(name: str) -> Path | None:
    """The checkpoint's tokenizer.json; None if it has none.

    Raises:
        CheckpointError: the checkpoint is missing.
    """
    folder = source_folder(name) if is_packaged(name) else _tokenizer_source(name)
    path = folder / "tokenizer.json"
    return path if path.is_file() else None


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
    # Beside a tokenizer.json they are not read.
    own = () if (folder / "tokenizer.json").is_file() else UNTYPED_FILES
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in {".safetensors", ".json", ".model"} or path.name in own
    )
    return sha256(
        "\n".join(f"{path.name} {sha256_file(path)}" for path in files).encode()
    ).hexdigest()


def check_model(name: str) -> list[str]:
    """What keeps `name` from being used, found without loading or converting anything; empty when
    nothing does.
    """
    config = None
    try:
        config = read_config(name)
        layout(config)
    except DeftSweepsError as error:
        problems = [str(error)]
        config = None
    else:
        quantized = quantized_sentence(config)
        problems = [f"{name}: {quantized}"] if quantized else []
    try:
        if is_packaged(name):
            source_folder(name)
        elif (folder := _folder(name)) is not None:
            if not adapter_sentence(folder):
                problems += weight_file_problems(folder, None if problems else config)
                problems += _check_vocabulary(folder, config)
        else:
            problems += hub_weight_problems(name, None if problems else config)
    except DeftSweepsError as error:
        problems.append(str(error))
    return list(dict.fromkeys(problems))


def checkpoint_notes(name: str) -> list[str]:
    """What is to be said of a checkpoint that can be used.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be reached.
    """
    note = pooler_note(read_config(name))
    return [f"{name}: {note}"] if note else []


def _check_vocabulary(folder: Path, config: Mapping[str, Any] | None) -> list[str]:
    lacking = "" if config is None else missing_vocabulary(folder, layout(config).family)
    return [f"{folder} {lacking}"] if lacking else []


def _folder(name: str) -> Path | None:
    """The folder that `name` names; None where it is a hub id."""
    path = local_path(name)
    if os.path.isdir(path):  # Also where a folder above it may not be entered.
        return path
    repository, pinned = hub_id(name)
    if pinned and os.path.isdir(local_path(repository)):
        raise CheckpointError(
            f"{repository} is a folder, which has no revisions; leave out revision {pinned}"
        )
    if path.is_absolute() or name.startswith((".", "~")) or repository.count("/") > 1:
        raise CheckpointError(f"no folder {name}")
    return None


def _tokenizer_source(name: str) -> Path:
    folder = None if is_packaged(name) else _folder(name)
    return _source(name) if is_packaged(name) or folder is not None else hub_tokenizer_folder(name)


def _source(name: str) -> Path:
    if is_packaged(name):
        return packaged_folder(name)
    folder = _folder(name)
    return folder if folder is not None else hub_folder(name)
