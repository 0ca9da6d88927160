"""No module uses or overrides a private name of a library, except of Ray where it has no other."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "deft_sweeps"
ALLOWED = {"os._exit", "ray._raylet", "ray._private", "ray.air.execution._internal"}
"""`os._exit` is public in spite of its name. Ray has no public way to set an authentication token
and to probe a cluster, and Tune none to survive a worker that the memory monitor ends."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Private attributes of other objects, and private modules and names of other packages."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr=attr) if is_private(attr):
                if ast.unparse(owner) not in {"self", "cls"}:
                    yield node.lineno, ast.unparse(node)
            case ast.Import(names=names):
                for alias in names:
                    if any(map(is_private, alias.name.split("."))):
                        yield node.lineno, alias.name
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] == "deft_sweeps":
                    continue
                parts = [*module.split("."), *(alias.name for alias in names)]
                private = [i for i, part in enumerate(parts) if is_private(part)]
                if private:
                    yield node.lineno, ".".join(parts[: private[0] + 1])


def test_no_private_name_of_a_library_is_used() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in private_names_used(ast.parse(path.read_text("utf-8")))
        if name not in ALLOWED
    ]
    assert places == []


def own_private_names(kind: type) -> set[str]:
    """Private names that a class's body defines, or that its methods use of `self`."""
    names = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                names.add(name)
            case ast.ClassDef(body=body):
                names |= {part.name for part in body if isinstance(part, ast.FunctionDef)}
                names |= {
                    name.id
                    for part in body
                    if isinstance(part, ast.Assign | ast.AnnAssign)
                    for name in ast.walk(part)
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
                }
    return set(filter(is_private, names))


def classes_over_optunas() -> list[type]:
    """Every class of the package that derives from one of Optuna's."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        if "optuna" in text and "\nclass " in text:
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    derived: list[type] = []
    bases: list[type] = [BaseSampler, BaseStorage, Study, Trial, FrozenTrial]
    while bases:
        subclasses: list[type] = bases.pop().__subclasses__()
        bases += subclasses
        derived += [kind for kind in subclasses if kind.__module__.startswith("deft_sweeps.")]
    return sorted(set(derived), key=lambda kind: kind.__qualname__)


def test_no_private_name_of_optuna_is_overridden() -> None:
    """A private name of Optuna's may come to mean something else in any release."""
    overridden = {}
    for kind in classes_over_optunas():
        optunas = {base for base in kind.__mro__ if base.__module__.startswith("optuna.")}
        ours = {base for base in kind.__mro__ if base.__module__.startswith("deft_sweeps.")}
        both = set[str]().union(*map(own_private_names, ours))
        both &= set[str]().union(*map(own_private_names, optunas))
        overridden[kind.__name__] = both
    assert {"BoundedSampler", "FrontSampler", "QuasiRandomSampler", "_Nsga2Sampler"} <= set(
        overridden
    )
    assert {name: both for name, both in overridden.items() if both} == {}
