"""A base that is written and opened is the base that was built, whatever its family and format."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deft_sweeps.config.axes import Magnitude, Quantization
from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.trial.base import FrozenBase, build_base, model_inputs
from deft_sweeps.trial.cost import tensor_bytes
from deft_sweeps.trial.stored_base import (
    CHECKSUMS,
    DESCRIPTION,
    TENSORS,
    DamagedBaseError,
    base_bytes,
    check_base,
    open_base,
    write_base,
)
from tests.conformance.axis_settings import members, name_of
from tests.tiny import HEAD_FAMILIES, batch, save_tiny_encoder, write_reviews

CPU = torch.device("cpu")


def stored(base: FrozenBase, config: TrialConfig, folder: Path) -> FrozenBase:
    folder.mkdir()
    write_base(folder, base)
    check_base(folder, tensors=True)
    return open_base(folder, config, base.key, None)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def outputs(base: FrozenBase) -> bytes:
    given = batch(vocab_size=20)
    inputs, _ = model_inputs(
        Batch(given["input_ids"], given["attention_mask"], given["labels"]),
        CPU,
    )
    if base.layout.family != "t5":
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        return bits(base.model(**inputs)[0 if base.layout.family != "t5" else "logits"])


def assert_same(opened: FrozenBase, built: FrozenBase) -> None:
    for field in ("key", "layout", "pad_id", "sparsity", "revision", "n_parameters"):
        assert getattr(opened, field) == getattr(built, field)
    a: Any = opened.model
    b: Any = built.model
    for read in ("named_parameters", "named_buffers"):
        of_a, of_b = (dict(getattr(m, read)(remove_duplicate=False)) for m in (a, b))
        assert list(of_a) == list(of_b)
        for name, tensor in of_b.items():
            assert type(of_a[name]) is type(tensor)
            assert (of_a[name].shape, of_a[name].dtype) == (tensor.shape, tensor.dtype)
            assert not of_a[name].requires_grad
            assert bits(of_a[name]) == bits(tensor), name
        assert groups(of_a) == groups(of_b)
    for x, y in zip(a.modules(), b.modules(), strict=True):
        assert type(x) is type(y)
        assert x.training == y.training
        # What a module holds besides its tensors and the library's marks.
        for name in ("p", "dropout", "threshold", "compute_dtype", "quant_storage"):
            if not isinstance(getattr(y, name, None), torch.nn.Module):
                assert getattr(x, name, None) == getattr(y, name, None)
    said = ({**m.config.to_dict(), "transformers_version": ""} for m in (a, b))
    assert next(said) == next(said)
    assert a.all_tied_weights_keys == b.all_tied_weights_keys
    assert tensor_bytes(a) == tensor_bytes(b)
    assert outputs(opened) == outputs(built)


def groups(tensors: dict[str, torch.Tensor]) -> list[list[str]]:
    """Names that are one tensor."""
    by_id: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        by_id.setdefault(id(tensor), []).append(name)
    return list(by_id.values())


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "quantization", members(Quantization), ids=lambda member: name_of({"member": member})
)
def test_every_format_comes_back_bit_for_bit(
    tiny_config: TrialConfig, tmp_path: Path, quantization: Any, dtype: Any
) -> None:
    config = replace(
        tiny_config,
        quantization=quantization,
        dtype=dtype,
        pruning=Magnitude(),
        activation="relu",
        base_dropout=0.25,
    )
    built = build_base(config, None, CPU)
    opened = stored(built, config, tmp_path / "base")
    assert_same(opened, built)
    # Adaptation reads these of a fork.
    fork, gates = opened.fork()
    assert len(gates) == len(opened.layout.blocks)
    assert {p.data_ptr() for p in fork.parameters()} == {
        p.data_ptr() for p in opened.model.parameters()
    }
    models: list[Any] = [opened.model, built.model]
    said, due = (json.dumps(model.generation_config.to_dict()) for model in models)
    assert said == due
    assert (tmp_path / "base" / TENSORS).stat().st_size <= base_bytes(built)


@pytest.mark.parametrize("family", HEAD_FAMILIES)
def test_every_family_comes_back_bit_for_bit(family: str, tmp_path: Path) -> None:
    path = write_reviews(tmp_path / "reviews.csv")
    save_tiny_encoder(tmp_path / "model", family, path.read_text().splitlines())
    config = TrialConfig(
        model=str(tmp_path / "model"),
        task=FileTask(path=str(path), max_input_tokens=16, splits=Splits(validation=20, test=20)),
    )
    built = build_base(config, None, CPU)
    assert_same(stored(built, config, tmp_path / "base"), built)


@pytest.fixture
def plain(tiny_config: TrialConfig, tmp_path: Path) -> tuple[TrialConfig, FrozenBase, Path]:
    config = replace(tiny_config, dtype="bf16")
    base = build_base(config, None, CPU)
    stored(base, config, tmp_path / "base")
    return config, base, tmp_path / "base"


@pytest.mark.parametrize("name", [TENSORS, DESCRIPTION])
def test_one_changed_byte_is_seen(plain: tuple[TrialConfig, FrozenBase, Path], name: str) -> None:
    folder = plain[2]
    damaged = bytearray((folder / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / name).write_bytes(damaged)
    with pytest.raises(DamagedBaseError, match=name):
        check_base(folder, tensors=True)


def test_lost_checksums_are_damage(plain: tuple[TrialConfig, FrozenBase, Path]) -> None:
    (plain[2] / CHECKSUMS).write_text("")
    with pytest.raises(DamagedBaseError):
        check_base(plain[2], tensors=False)


def test_tensors_of_another_format_do_not_fill_the_model(
    plain: tuple[TrialConfig, FrozenBase, Path],
) -> None:
    config, base, folder = plain
    description = json.loads((folder / DESCRIPTION).read_text())
    changes: list[dict[str, Any]] = [
        {"tensors": {}},
        {"shared": {"no.such": "shared.weight"}},
        {"config": {}},
    ]
    for change in changes:
        (folder / DESCRIPTION).write_text(json.dumps({**description, **change}))
        with pytest.raises((DamagedBaseError, OSError)):
            open_base(folder, config, base.key, None)
