"""The case: its states and what moves it."""
