import pytest
import torch

from deft_sweeps.trial import cost
from deft_sweeps.trial.cost import PeakMemory


def test_excluded_bytes_count_in_what_is_held_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = 100
    monkeypatch.setattr(cost, "peak_resident_bytes", lambda: resident)
    monkeypatch.setattr(cost, "forget_peak", lambda: None)
    memory = PeakMemory(torch.device("cpu"), floor=10)
    memory.exclude(50)
    assert memory.read() == 90
    resident = 170
    assert (memory.read(), memory.held()) == (110, 160)
    resident = 120
    assert (memory.read(), memory.held()) == (90, 110)


def test_a_peak_before_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([300, 200])
    monkeypatch.setattr(cost, "peak_resident_bytes", lambda: next(peaks))
    monkeypatch.setattr(cost, "forget_peak", lambda: None)
    memory = PeakMemory(torch.device("cpu"), floor=0)
    memory.exclude(50)
    assert memory.read() == 300
