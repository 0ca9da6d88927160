"""A worker that Ray's memory monitor ends costs Tune its trial, not the whole search.

Ray gives such a death as an `OutOfMemoryError`, which is none of the errors that Tune expects of a
worker: it would end with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

_HANDLER = "_actor_task_failed"


@contextmanager
def memory_kills_as_deaths() -> Iterator[None]:
    """Inside it, Tune takes a kill for memory as any other death of a worker."""
    handle = getattr(RayActorManager, _HANDLER)

    def failed(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            reason = str(exception).partition("\n")[0]
            exception = RayActorError(error_msg=f"The worker was ended.\n{reason}")
        handle(manager, tracked_actor_task, exception)

    setattr(RayActorManager, _HANDLER, failed)
    try:
        yield
    finally:
        setattr(RayActorManager, _HANDLER, handle)
