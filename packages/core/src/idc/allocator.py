"""The C library's memory allocator, told to keep what it has."""

import ctypes
from typing import Literal

Allocator = Literal["system", "keep"]

# Names and numbers of malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER, PAD = 2**31 - 1, 2**26

_chosen: Allocator = "system"


def keep_memory() -> bool:
    """Let glibc keep freed memory for this process, for as long as it runs.

    By default glibc asks the kernel for every large tensor and gives it back when it is freed, and the kernel
    fills each page with zeros: a fifth of the time of a step on a CPU, or more. Results do not change.

    Returns:
        Whether it worked: false where the C library is not glibc.
    """
    global _chosen
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    done = all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER), mallopt(M_TOP_PAD, PAD)])
    _chosen = "keep" if done else "system"
    return done


def chosen() -> Allocator:
    """``keep`` once `keep_memory` has worked."""
    return _chosen
