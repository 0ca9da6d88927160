"""A base is made once, mapped by all, never changed by a trial, and never needed."""

import json
import multiprocessing
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deft_sweeps.atomic_build import HOST
from deft_sweeps.cache import sha256_file
from deft_sweeps.config.axes import (
    AdaDeft,
    Adapter,
    DensityLoss,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    PrefixTuning,
    Role,
    Training,
    Wanda,
)
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.errors import CheckpointError
from deft_sweeps.result import CompleteTrial
from deft_sweeps.tasks.task_data import load_task
from deft_sweeps.trial import base_cache, base_room
from deft_sweeps.trial.base import build_base
from deft_sweeps.trial.base_cache import base_digest, shared_base
from deft_sweeps.trial.base_room import bases_folder
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final, measure_score, measure_structure
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from deft_sweeps.trial.stored_base import TENSORS, check_base
from deft_sweeps.trial.torch_starter import TorchTrialStarter
from tests.tiny import save_tiny
from tests.whole_trial import run_trial

CPU = torch.device("cpu")
TARGETS: tuple[Role, ...] = ("q", "v", "gate", "down")
LORA = Lora(r=4, targets=TARGETS)
DEFT = DensityLoss(weight=1.0, eps=1e-2)
TRAINING = Training(steps=6, batch_size=6, learning_rate=1e-2)
KINDS: dict[str, dict[str, Any]] = {
    "LoRA on bf16": {"peft": LORA, "dtype": "bf16"},
    "adapters on pruned weights": {"peft": Adapter(), "pruning": Magnitude()},
    "merged updates under a mask": {
        "peft": replace(LORA, masked=True),
        "pruning": Wanda(n_calibration=8),
        "density": DEFT,
    },
    "virtual tokens on NF4": {"peft": PrefixTuning(virtual_tokens=4), "quantization": Nf4()},
    "removed blocks on double NF4": {
        "peft": LORA,
        "quantization": Nf4(double=True),
        "activation": "relu",
        "density": DEFT,
        "adaptive": AdaDeft(skip=2),
        "dtype": "bf16",
    },
    "LoRA on int8": {"peft": LORA, "quantization": Int8(), "dtype": "bf16"},
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenised examples and checkpoints stay where the other tests have them."""
    monkeypatch.setattr(base_room, "cache_folder", lambda: tmp_path / "cache")
    base_room.warn_once.cache_clear()


def starter(*, shares_bases: bool) -> TorchTrialStarter:
    evaluation = Evaluation(
        thresholds=(0.0, 0.05, 0.3), objective_threshold=0.05, batch_size=8, latency_repeats=2
    )
    return TorchTrialStarterFactory(evaluation, shares_bases=shares_bases)()


def without_times(result: CompleteTrial) -> CompleteTrial:
    return replace(result, cost=None, started_at=0.0, finished_at=0.0)


def files() -> list[Path]:
    return sorted(bases_folder().glob(f"*/[!.]*/{TENSORS}"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_is_bit_for_bit_the_same_and_changes_nothing_shared(
    kind: str, tiny_config: TrialConfig
) -> None:
    config = replace(tiny_config, training=TRAINING, **KINDS[kind])
    alone, first, second = (starter(shares_bases=shares) for shares in (False, True, True))
    expected = run_trial(alone, config, 3)
    assert files() == []
    results = [run_trial(first, config, 3)]
    (file,) = files()
    before = sha256_file(file)
    results += [run_trial(first, config, 3), run_trial(second, config, 3)]
    assert [without_times(result) for result in results] == [without_times(expected)] * 3
    for result in results:
        assert result.cost is not None
        assert expected.cost is not None
        assert result.cost.weight_bytes == expected.cost.weight_bytes
        assert result.cost.total_parameters == expected.cost.total_parameters
        assert result.cost.weight_sparsity == expected.cost.weight_sparsity
    assert files() == [file]
    assert sha256_file(file) == before
    assert str(file) in Path("/proc/self/maps").read_text()


def test_checkpoints_go_on_over_a_mapped_base(tiny_config: TrialConfig) -> None:
    config = replace(tiny_config, training=TRAINING, peft=LORA, quantization=Nf4())
    whole = run_trial(starter(shares_bases=False), config, 0)
    part = starter(shares_bases=True)(config, 0)
    part.advance(3)
    rest = starter(shares_bases=True)(config, 0, part.state())
    rest.advance(3)
    assert rest.finish().points == whole.points


def test_the_base_is_built_once_and_mapped_afterwards(
    tiny_config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config, pruning=Wanda(n_calibration=8))
    data = load_task(config.task, config.model)
    assert shared_base(config, data, CPU).lease is not None
    monkeypatch.setattr(base_cache, "build_base", lambda *_: pytest.fail("built again"))
    for dropout in (0.0, 0.5):
        base = shared_base(replace(config, base_dropout=dropout), data, CPU)
        assert base.key.base_dropout == dropout
        assert {m.p for m in base.model.modules() if isinstance(m, torch.nn.Dropout)} == {dropout}
    assert len(files()) == 1


def test_what_the_tensors_depend_on_is_in_the_name(
    tiny_config: TrialConfig, tmp_path: Path, packaged_model: str
) -> None:
    data = load_task(tiny_config.task, tiny_config.model)
    save_tiny(tmp_path / "copy", packaged_model)
    other = replace(data, fingerprint="other")
    wanda = replace(tiny_config, pruning=Wanda(n_calibration=8))
    digests = [
        base_digest(tiny_config, data),
        base_digest(replace(tiny_config, dtype="bf16"), data),
        base_digest(replace(tiny_config, quantization=Nf4()), data),
        base_digest(replace(tiny_config, quantization=Nf4(double=True)), data),
        base_digest(replace(tiny_config, pruning=Magnitude()), data),
        base_digest(replace(tiny_config, model=str(tmp_path / "copy")), data),
        base_digest(wanda, data),
        base_digest(replace(wanda, activation="relu"), data),
        base_digest(wanda, other),
    ]
    assert len(set(digests)) == len(digests)
    for change in ({"base_dropout": 0.3}, {"activation": "relu"}):
        assert base_digest(replace(tiny_config, **change), other) == digests[0]
    weights = tmp_path / "copy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    assert base_digest(replace(tiny_config, model=str(tmp_path / "copy")), data) not in digests


def test_the_checkpoint_itself_is_not_stored(tiny_config: TrialConfig) -> None:
    data = load_task(tiny_config.task, tiny_config.model)
    assert shared_base(tiny_config, data, CPU).lease is None
    assert not bases_folder().exists()


def damaged_tensors(folder: Path) -> None:
    content = bytearray((folder / TENSORS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / TENSORS).write_bytes(content)


DAMAGES: dict[str, Any] = {
    "a changed byte": damaged_tensors,
    "a cut file": lambda folder: os.truncate(folder / TENSORS, 4096),
    "a lost file": lambda folder: (folder / TENSORS).unlink(),
    "lost checksums": lambda folder: (folder / "sha256sums").unlink(),
    "a lost lock": lambda folder: (folder / "in_use").unlink(),
    "a changed description": lambda folder: (folder / "base.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_base_is_said_and_built_again(
    damage: str, tiny_config: TrialConfig, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(tiny_config, quantization=Nf4())
    data = load_task(config.task, config.model)
    shared_base(config, data, CPU)
    (file,) = files()
    content = file.read_bytes()
    DAMAGES[damage](file.parent)
    assert shared_base(config, data, CPU).lease is not None
    assert file.read_bytes() == content
    if damage != "a lost lock":
        assert [m for m in caplog.messages if "is damaged and is built again" in m]


def test_the_tensors_are_read_once_a_boot_and_again_when_they_changed(
    tiny_config: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config, quantization=Nf4())
    data = load_task(config.task, config.model)
    reads: list[bool] = []
    real = check_base

    def watched(folder: Path, *, tensors: bool) -> None:
        reads.append(tensors)
        real(folder, tensors=tensors)

    monkeypatch.setattr(base_cache, "check_base", watched)
    shared_base(config, data, CPU)
    shared_base(config, data, CPU)
    assert reads == [False, False]
    os.utime(files()[0])
    shared_base(config, data, CPU)
    shared_base(config, data, CPU)
    assert reads[2:] == [True, False]
    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr(base_cache, "_BOOT_ID", tmp_path / "boot")
    shared_base(config, data, CPU)
    shared_base(config, data, CPU)
    assert reads[4:] == [True, False]


def no_room(n_bytes: int) -> None:
    raise OSError(28, "No space left on device", "bases")


@pytest.mark.parametrize("trouble", ["full", "read-only", "switched off", "too large"])
def test_without_room_the_trial_goes_on_alone(
    trouble: str,
    tiny_config: TrialConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = replace(tiny_config, training=TRAINING, peft=LORA, quantization=Nf4())
    if trouble == "full":
        monkeypatch.setattr(base_cache, "make_room", no_room)
    elif trouble == "read-only":
        bases_folder().parent.mkdir(parents=True)
        bases_folder().touch()  # Which refuses root too.
    else:
        limit = "0" if trouble == "switched off" else "1 KiB"
        monkeypatch.setenv(base_room.LIMIT_VARIABLE, limit)
    made = starter(shares_bases=True)
    expected = run_trial(starter(shares_bases=False), config, 0)
    assert run_trial(made, config, 0).points == expected.points
    assert made.base(config, made.data(config)).lease is None
    assert run_trial(starter(shares_bases=True), config, 0).points == expected.points
    warned = [m for m in caplog.messages if "bases are not shared" in m]
    assert len(warned) == (trouble != "switched off")
    assert files() == []


def test_a_checkpoint_that_cannot_be_used_stays_an_error(
    tiny_config: TrialConfig, tmp_path: Path, packaged_model: str
) -> None:
    data = load_task(tiny_config.task, tiny_config.model)
    save_tiny(tmp_path / "model", packaged_model)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"no weights")
    config = replace(tiny_config, model=str(tmp_path / "model"), dtype="bf16")
    with pytest.raises(CheckpointError):
        shared_base(config, data, CPU)
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(CheckpointError):
        shared_base(config, data, CPU)


def build_and_note(config: TrialConfig, cache: Path, log: Path) -> None:
    torch.set_num_threads(1)

    def noted(*args: Any) -> Any:
        with log.open("a") as file:
            file.write("built\n")
        time.sleep(0.5)
        return build_base(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_room, "cache_folder", lambda: cache)
        patch.setattr(base_cache, "build_base", noted)
        base = shared_base(config, load_task(config.task, config.model), CPU)
    assert base.lease is not None


def test_of_processes_that_begin_together_one_builds(
    tiny_config: TrialConfig, tmp_path: Path
) -> None:
    config = replace(tiny_config, dtype="bf16")
    load_task(config.task, config.model)
    spawn = multiprocessing.get_context("spawn")
    arguments = (config, tmp_path / "cache", tmp_path / "log")
    workers = [spawn.Process(target=build_and_note, args=arguments) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 3
    assert (tmp_path / "log").read_text() == "built\n"
    assert len(files()) == 1


def test_a_base_in_use_is_not_removed_for_another(
    tiny_config: TrialConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = load_task(tiny_config.task, tiny_config.model)
    first, second = (replace(tiny_config, pruning=Magnitude(sparsity=s)) for s in (0.25, 0.5))
    held: Any = shared_base(first, data, CPU)
    n_bytes = sum(path.stat().st_size for path in files()[0].parent.iterdir())
    monkeypatch.setenv(base_room.LIMIT_VARIABLE, f"{1.5 * n_bytes:.0f}")
    assert shared_base(second, data, CPU).lease is None
    assert "no room" in caplog.text
    del held
    assert shared_base(second, data, CPU).lease is not None
    assert [file.parent.name for file in files()] == [base_digest(second, data)]


def test_the_folder_is_the_machines_own(tiny_config: TrialConfig) -> None:
    config = replace(tiny_config, dtype="bf16")
    shared_base(config, load_task(config.task, config.model), CPU)
    assert files()[0].parent.parent.name == HOST
    assert json.loads((files()[0].parent / "base.json").read_text())["n_parameters"] > 0


@pytest.mark.parametrize("measured", [measure_final, measure_structure])
def test_what_is_measured_alone_builds_its_base(
    measured: Any, tiny_config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config, training=TRAINING, peft=LORA, quantization=Nf4())
    run: Any = starter(shares_bases=True)(config, 0)
    job = FinalJob("chosen", config, 0, run.trial_model.save(), threshold=0.0)
    factory = TorchTrialStarterFactory(
        Evaluation(latency_repeats=1), label="measured", shares_bases=True
    )
    monkeypatch.setattr(
        "deft_sweeps.trial.torch_starter.shared_base", lambda *_: pytest.fail("mapped")
    )
    measured(job, factory)
    with pytest.raises(pytest.fail.Exception, match="mapped"):
        measure_score(job, factory())
