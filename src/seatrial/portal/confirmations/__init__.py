"""The decision: confirmation or refusal with signatures, its letters, conditions, and what becomes of it."""
