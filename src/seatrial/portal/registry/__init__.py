"""What departments will roll out: systems and their releases."""
