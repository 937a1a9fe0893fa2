"""Where workers run: on this machine, or on many."""
