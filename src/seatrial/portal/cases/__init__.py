"""The case: its states, what moves it, and its pages."""
