"""The spec of a sweep's folder."""

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.sweep_dir import SweepDir


def stored_spec(sweep: SweepDir) -> SweepSpec:
    """The spec as the sweep was run, its relative paths from where they started then.

    Raises:
        ConfigError: it cannot be read, or the folder holds several sweeps, which it names.
    """
    parts = load_parts(sweep.spec_path, spec_folder(sweep.spec_path))
    if len(parts) > 1:
        folders = ", ".join(str(sweep.root / part.spec.name) for part in parts)
        raise ConfigError(
            [Problem(str(sweep.root), f"holds {len(parts)} sweeps", f"name one of them: {folders}")]
        )
    return parts[0].spec
