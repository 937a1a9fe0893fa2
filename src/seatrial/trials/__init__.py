"""Use cases: execute a plan, recheck a bundle."""
