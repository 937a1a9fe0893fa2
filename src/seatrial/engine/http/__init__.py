"""HTTP/1.1 for one purpose: many small exchanges, measured honestly, at little cost each."""
