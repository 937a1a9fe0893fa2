"""Arranging a trial: who may put the system to it, who does, and when. Pure: no database, no clock."""
