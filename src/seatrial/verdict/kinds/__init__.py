"""What each kind of trial looks for, and what it concludes: one module per kind."""
