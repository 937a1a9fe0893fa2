"""An alarm finer than epoll's milliseconds: a timerfd on the monotonic clock (timerfd_create(2)).

Python 3.13 has it in ``os``; before that it is reached by ctypes.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

__all__ = ["Alarm"]

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Alarm:
    """One alarm that makes its file descriptor readable at an instant.

    Attributes:
        fd: To be registered edge-triggered: then it needs no reading.

    Raises:
        OSError: the kernel gives no timer.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._pointer = ctypes.byref(self._spec)
        self._armed_ns = -1

    def set(self, at_ns: int) -> None:
        """Ring at ``at_ns`` on the monotonic clock, at once if that is past. The same instant twice is free."""
        if at_ns == self._armed_ns:
            return
        self._armed_ns = at_ns
        self._spec.it_value.tv_sec, self._spec.it_value.tv_nsec = divmod(max(at_ns, 1), 1_000_000_000)
        if self._libc.timerfd_settime(self.fd, _ABSOLUTE, self._pointer, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Give the file descriptor back."""
        os.close(self.fd)
