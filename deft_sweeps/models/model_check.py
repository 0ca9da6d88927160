"""What keeps a model from being used, told before anything starts. Loads no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.errors import DeftSweepsError
from deft_sweeps.models.checkpoint_check import (
    adapter_sentence,
    pooler_note,
    quantized_sentence,
    weight_file_problems,
)
from deft_sweeps.models.checkpoints import folder_of, read_config, tokenizer_source
from deft_sweeps.models.families import family_of, layout
from deft_sweeps.models.hub_checkpoint import (
    hub_weight_problems,
)
from deft_sweeps.models.tokenizer_json import open_tokenizer
from deft_sweeps.models.vocabulary import (
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
from deft_sweeps.packaged.checkpoint_conversion import (
    is_packaged,
    source_folder,
)


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
        family = family_of(layout(read_config(name)))
        own = open_tokenizer(source_folder(name) / "tokenizer.json", family)
        unknown = own.unknown_id
        too_many = too_unknown(unknown_share(own.tokenizer, unknown, some))
        class_ids = [own.tokenizer.encode(one).ids for one in classes]
        return [
            *([too_many] if too_many else []),
            *unwritable_classes(classes, class_ids, unknown),
        ]
    try:
        config = read_config(name)
        shape, source = layout(config), tokenizer_source(name)
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
        elif (folder := folder_of(name)) is not None:
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
