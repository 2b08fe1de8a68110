"""What is measured runs before what else the machine does, where that may be had."""

import contextlib
import os
import threading
from collections.abc import Iterator

_BEFORE_OTHERS = -15


@contextlib.contextmanager
def before_others() -> Iterator[None]:
    """Processes that are started in the block, by this thread, run before others.

    Nothing happens where that is not allowed: the machine had better be quiet then.
    """
    thread = threading.get_native_id()
    usual = os.getpriority(os.PRIO_PROCESS, thread)
    try:
        os.setpriority(os.PRIO_PROCESS, thread, _BEFORE_OTHERS)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, thread, usual)
