"""Telling people: at once or once a day."""
