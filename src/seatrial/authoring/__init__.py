"""Reading what people write: plans, the files that plans name, and policies."""
