"""How the kernel is built, opened and shared out among threads."""

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deft_sweeps.kernels import compiled_library
from deft_sweeps.kernels.compiled_library import LEVEL_VARIABLE, Level, best_level, in_parts
from deft_sweeps.sparse.mlp_library import library

ROOT = Path(__file__).parents[3]
setuptools = pytest.importorskip("setuptools", minversion="74.1")


@pytest.fixture
def opened_anew() -> Iterator[None]:
    library.cache_clear()
    yield
    library.cache_clear()


def built(folder: Path, compiler: str) -> list[str]:
    """Names of the libraries that an installation from a copy of the sources builds."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "README.md", folder)
    for room in ("kernels", "sparse"):
        shutil.copytree(
            ROOT / "deft_sweeps" / room,
            folder / "deft_sweeps" / room,
            ignore=shutil.ignore_patterns("*.so"),
        )
    subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "CC": compiler},
        check=True,
        capture_output=True,
    )
    return sorted(path.name.split(".")[0] for path in (folder / "deft_sweeps").rglob("*.so"))


def test_an_installation_builds_the_kernels(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no compiler")
    assert built(tmp_path, compiler) == ["_mlp_kernel", "_trial_kernel"]


def test_an_installation_without_a_compiler_works(tmp_path: Path) -> None:
    assert built(tmp_path, str(tmp_path / "no-compiler")) == []


@pytest.mark.usefixtures("opened_anew")
def test_a_missing_kernel_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled_library, "EXTENSION_SUFFIXES", [".missing"])
    with caplog.at_level(logging.WARNING):
        assert library() is None
        assert library() is None
    (record,) = caplog.records
    assert "without a C compiler" in record.getMessage()


def test_a_level_above_the_processor_s_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = library()
    if opened is None:
        pytest.skip("no compiler when this was installed")
    monkeypatch.delenv(LEVEL_VARIABLE, raising=False)
    best_level.cache_clear()
    best = best_level(opened)
    for level in Level:
        monkeypatch.setenv(LEVEL_VARIABLE, level.name.lower())
        best_level.cache_clear()
        assert best_level(opened) == min(level, best)
    best_level.cache_clear()


def test_parts_are_computed_once_each_and_errors_come_back() -> None:
    seen: list[tuple[int, int]] = []
    in_parts(lambda part: seen.append((part, threading.get_ident())), 3)
    assert sorted(part for part, _ in seen) == [0, 1, 2]
    assert dict(seen)[0] == threading.get_ident()

    def fail(part: int) -> None:
        if part:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_parts(fail, 2)
