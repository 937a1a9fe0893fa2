"""People: their accounts, their roles, how they sign in."""
