"""Names say what is held, and none is taken twice."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "deft_sweeps"
SOURCES = [
    path
    for folder in ("deft_sweeps", "tests", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
VAGUE = {"told", "found", "kept", "known", "left", "asked", "there", "beside"}
"""Participles and adverbs without a noun: they do not say what is held."""


def named(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that the code gives, and its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


@pytest.mark.parametrize("folder", ["deft_sweeps", "tests", "benchmarks"])
def test_no_name_is_a_participle_without_a_noun(folder: str) -> None:
    places = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in SOURCES
        if path.is_relative_to(ROOT / folder)
        for name, line in named(ast.parse(path.read_text("utf-8")))
        if name in VAGUE
    ]
    places += [str(path.relative_to(ROOT)) for path in SOURCES if path.stem in VAGUE]
    assert places == []


def test_no_two_modules_share_a_name() -> None:
    by_name = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            by_name[path.stem].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in by_name.items() if len(paths) > 1} == {}


def test_no_two_classes_share_a_name() -> None:
    by_name = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                by_name[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: places for name, places in by_name.items() if len(places) > 1} == {}


def test_test_modules_do_not_import_test_modules() -> None:
    imports = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_"):
                    imports.append(f"{path.relative_to(ROOT)}:{node.lineno}: {module}")
    assert imports == []
