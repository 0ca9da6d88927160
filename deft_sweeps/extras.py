"""Which optional packages are not installed, and what to type to install them.

`pip install deft-sweeps` reads results; an extra, such as `deft-sweeps[sweep]`, brings what else
a command or a function imports. The extras and their packages are read from the installed
package's own metadata, so pyproject.toml alone lists them.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from deft_sweeps.errors import MissingExtraError

_PACKAGE = "deft-sweeps"
_REQUIREMENT = re.compile(
    r"(?P<package>[\w.-]+)(\[(?P<extras>[\w,-]+)\])?.*;.*\bextra == [\"'](?P<of>[\w-]+)[\"']"
)

_NAMED_OTHERWISE = {"protobuf": "google.protobuf"}
"""Modules whose name is not their package's."""


def require(extra: str) -> None:
    """Checks that every package of an extra is installed; imports none of them.

    Raises:
        MissingExtraError: some are not.
    """
    missing = [module for module in dict.fromkeys(_modules(extra)) if not _is_installed(module)]
    if missing:
        raise _error(extra, missing)


def missing_extra(error: ImportError) -> MissingExtraError | None:
    """The error to show for an import that failed, if an extra brings the module; else None."""
    if not isinstance(error, ModuleNotFoundError):
        return None  # The package is there, and broken.
    for extra, (own, _) in _extras().items():
        for module in own:
            if f"{error.name}.".startswith(f"{module}."):
                return _error(extra, [module])
    return None


def installation(extra: str) -> str:
    """The command that installs an extra."""
    return f'pip install "{_PACKAGE}[{extra}]"'


def _error(extra: str, missing: list[str]) -> MissingExtraError:
    listed = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    verb = "is" if len(missing) == 1 else "are"
    return MissingExtraError(f"{listed} {verb} not installed; type: {installation(extra)}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # Of the package that holds it.
        return False


def _modules(extra: str) -> Iterator[str]:
    """The modules that an extra brings, also by way of the extras that it includes."""
    own, included = _extras().get(extra, ([], []))
    for other in included:
        yield from _modules(other)
    yield from own


@cache
def _extras() -> dict[str, tuple[list[str], list[str]]]:
    """Each extra's own modules, and the extras that it includes; empty without metadata."""
    try:
        requirements = requires(_PACKAGE) or []
    except PackageNotFoundError:  # A checkout that was never installed.
        return {}
    extras: dict[str, tuple[list[str], list[str]]] = {}
    for requirement in requirements:
        if not (match := _REQUIREMENT.fullmatch(requirement)):
            continue
        own, included = extras.setdefault(match["of"], ([], []))
        if match["package"] == _PACKAGE:
            included += match["extras"].split(",")
        else:
            package = match["package"]
            own.append(_NAMED_OTHERWISE.get(package, package.replace("-", "_")))
    return extras
