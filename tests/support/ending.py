"""Programs that a test starts end with it, also when it is killed."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: between fork and exec it may deadlock


def end_with_parent() -> None:
    """Have the kernel end this process with the one that starts it; for `preexec_fn`, does nothing but on Linux."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
