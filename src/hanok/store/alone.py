"""SQLite without the lock that each connection takes for each value that is read from it.

The lock is for a connection that several threads use at once; here each is used by one, the event loop's. Whether there
is a lock is said to the library once a process, before it is used: Python's module has no word for it, the library's
own interface has ("Using SQLite In Multi-Threaded Applications", its documentation). Measured: a quarter of what a long
list costs to read.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import logging

log = logging.getLogger(__name__)

MULTI_THREAD = 2  # SQLITE_CONFIG_MULTITHREAD: threads, each with connections of its own
OK = 0


def without_locks() -> bool:
    """Have connections opened from now on take no locks. Gives whether it is so.

    Nothing changes in a process that has a connection open, or whose library does not let itself be asked.
    """
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_memory_used.restype = ctypes.c_int64
        if library.sqlite3_memory_used() or not _counts(library):  # somebody uses it, or may
            return False
        library.sqlite3_shutdown()
        done: bool = library.sqlite3_config(MULTI_THREAD) == OK
        library.sqlite3_initialize()
    except (AttributeError, OSError) as error:  # built into the interpreter, say
        log.info("SQLite goes on with its locks: %s", error)
        return False
    return done


def _counts(library: ctypes.CDLL) -> bool:
    """Whether the library says how much memory it uses: some are built without that, and say none."""
    library.sqlite3_malloc.restype = ctypes.c_void_p
    library.sqlite3_free.argtypes = [ctypes.c_void_p]
    taken = library.sqlite3_malloc(64)
    counts = bool(library.sqlite3_memory_used())
    library.sqlite3_free(taken)
    return counts
