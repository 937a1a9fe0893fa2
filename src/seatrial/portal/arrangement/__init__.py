"""Arranging a trial: the testers' register, declarations, choice, windows, the test order."""
