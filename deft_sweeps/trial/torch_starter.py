"""Starts real trials in a worker, and keeps frozen bases and examples warm for them."""

import time
from collections import OrderedDict

import torch

from deft_sweeps.config.axes import DTYPE_BYTES
from deft_sweeps.config.data import Task
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.process_memory import resident_bytes
from deft_sweeps.tasks.location import located
from deft_sweeps.tasks.task_data import TaskData, load_task
from deft_sweeps.trial.base import BaseKey, FrozenBase, build_base
from deft_sweeps.trial.base_cache import shared_base
from deft_sweeps.trial.build import build
from deft_sweeps.trial.cost import PeakMemory
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.measuring import Measurer
from deft_sweeps.trial.protocol import TrialRun
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory


class TorchTrialStarter:
    """Starts trials, one at a time, in this process."""

    def __init__(self, factory: TorchTrialStarterFactory) -> None:
        torch.set_num_threads(factory.n_threads)
        self.factory = factory
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.measurer = Measurer(factory.evaluation, factory.label, self.device)
        self._bases: OrderedDict[BaseKey, FrozenBase] = OrderedDict()
        self._data: dict[tuple[Task, str], TaskData] = {}
        _import_heavy_parts()
        self.memory_floor = resident_bytes()

    def __call__(self, config: TrialConfig, seed: int, state: bytes | None = None) -> TrialRun:
        """Start a trial, or go on with one.

        Raises:
            CheckpointError, DataError, ConfigError: the configuration cannot be run.
        """
        memory = PeakMemory(self.device, self.memory_floor)
        started_at = time.time()
        data = self.data(config)
        base, on_cpu = self.base(config, data), self.device.type == "cpu"
        if on_cpu:
            size = DTYPE_BYTES[config.dtype]
            memory.exclude(config.quantization.copy_bytes(base.layout, size))
        trial_model = build(base, config, seed, HeadSpec.of(data), dense_copies=on_cpu)
        run = TorchTrialRun(
            self.measurer,
            config,
            seed,
            data,
            trial_model,
            memory,
            started_at,
            build_time_sec=time.time() - started_at,
        )
        if state is not None:
            run.load(state)
        return run

    def data(self, config: TrialConfig) -> TaskData:
        """The task's splits, tokenised for the model."""
        key = (config.task, config.checkpoint)
        if key not in self._data:
            readable = located(config, self.factory.folder)
            self._data[key] = load_task(readable.task, readable.checkpoint)
        return self._data[key]

    def base(self, config: TrialConfig, data: TaskData) -> FrozenBase:
        """The configuration's frozen base, warm or built now."""
        readable = located(config, self.factory.folder)
        key = BaseKey.of(readable, data.fingerprint, self.device)
        if key not in self._bases:
            while len(self._bases) >= self.factory.n_bases:
                self._bases.popitem(last=False)
            make = shared_base if self.factory.shares_bases else build_base
            self._bases[key] = make(readable, data, self.device)
        self._bases.move_to_end(key)
        return self._bases[key]


def _import_heavy_parts() -> None:
    """Load what every trial loads, so that the memory floor is taken after it."""
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
