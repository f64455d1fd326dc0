"""Memory that a process has freed and will soon need again."""

import ctypes
import os

# Names and numbers of malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER, PAD_BYTES = 2**31 - 1, 2**26


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for this process, unless ``IDC_ALLOCATOR=system``.

    By default glibc asks the kernel for every large tensor and returns it when it is freed, and the kernel
    fills each page with zeros: a fifth of the time of an inner step on a CPU, or more. Results do not change.

    Returns:
        Whether freed memory is kept; false where the C library is not glibc.
    """
    if os.environ.get("IDC_ALLOCATOR") == "system":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER), mallopt(M_TOP_PAD, PAD_BYTES)])
