"""The same measure for programs: versioned, with tokens that are scoped, expiring and revocable."""
