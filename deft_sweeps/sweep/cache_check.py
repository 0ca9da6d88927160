"""Whether this user may write to the cache folder, which every trial needs."""

import tempfile

from deft_sweeps.cache import cache_folder
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.store.secrets import short_reason


def require_writable_cache() -> None:
    """Create the cache folder if need be, and write to it.

    Raises:
        ConfigError: it cannot be created, or not be written to, as with a home folder that does
            not exist or is read-only.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        what = f"the cache folder {folder} cannot be written to: {short_reason(error)}"
        remedy = "set DEFT_SWEEPS_CACHE, or HOME, to a folder that this user may write to"
        raise ConfigError([Problem("DEFT_SWEEPS_CACHE", what, remedy)]) from error
