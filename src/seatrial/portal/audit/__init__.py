"""The record of everything decided, seen of restricted matter, exported or signed in: append-only, hash-chained."""
