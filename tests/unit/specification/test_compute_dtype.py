from pathlib import Path

import pytest

from deft_sweeps.specification import compute_dtype
from deft_sweeps.specification.compute_dtype import cpu_has_bf16, fast_dtype, slow_dtype
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec


@pytest.mark.parametrize(
    ("flags", "has"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 sse4_2\n", True),
        ("processor\t: 0\nflags\t\t: avx512f amx_bf16\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx avx2 fma avx512f\n", False),
        ("model name\t: bf16\nflags\t\t: avx2\n", False),
        ("", False),
    ],
)
def test_instructions_are_read_from_the_flags(tmp_path: Path, flags: str, has: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(flags)
    assert cpu_has_bf16(path) is has


def test_a_machine_without_flags_has_none(tmp_path: Path) -> None:
    assert not cpu_has_bf16(tmp_path / "cpuinfo")


def spec(dtype: str, gpus: float = 0.0) -> SweepSpec:
    return parse_spec(
        f"name: a\ndtype: {dtype}\nspace: {{}}\nbudget: {{trials: 1, gpus_per_trial: {gpus}}}\n",
        "a.yaml",
    )


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_what_the_trials_device_computes_fast(
    monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    monkeypatch.setattr(compute_dtype, "cpu_has_bf16", lambda: has)
    assert spec("auto").dtype == fast_dtype(on_gpu=False) == ("bf16" if has else "fp32")
    assert spec("auto", gpus=0.5).dtype == "bf16"
    assert (spec("fp32").dtype, spec("bf16").dtype) == ("fp32", "bf16")
    assert bool(slow_dtype("bf16", on_gpu=False)) is not has
    assert not slow_dtype("bf16", on_gpu=True)
    assert not slow_dtype("fp32", on_gpu=False)


def test_a_spec_in_another_dtype_is_another_space() -> None:
    in_bf16 = spec("bf16")
    other = in_bf16.with_dtype("fp32")
    assert other.dtype == "fp32"
    assert other.combinations[0].template.config_id != in_bf16.combinations[0].template.config_id
    assert other.with_dtype("bf16") == in_bf16
