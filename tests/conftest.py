"""For every test."""

from __future__ import annotations

import signal

# A shell that starts the tests in the background has SIGINT ignored, which every process here would inherit: then
# nothing that a person stops by Ctrl-C could be tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
