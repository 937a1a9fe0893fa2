"""What a department must have ready: each item with its evidence, and the contingency plan with its drills."""
