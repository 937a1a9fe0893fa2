"""Trials: the tester's agent, live progress, bundles handed in and recomputed."""
