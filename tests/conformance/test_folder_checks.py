"""A check of a folder is a module with `examine`, and a line that names it."""

import pkgutil

from deft_sweeps.folder_check import checks


def test_every_module_of_a_check_is_registered_once() -> None:
    modules = {
        f"{checks.__name__}.{module.name}" for module in pkgutil.iter_modules(checks.__path__)
    }
    registered = [check.examine.__module__ for check in checks.CHECKS]
    assert sorted(registered) == sorted(modules)
    names = [check.name for check in checks.CHECKS]
    assert len(set(names)) == len(names)
