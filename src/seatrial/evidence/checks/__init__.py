"""The steps of a verification, each a function of what is known so far that returns a sentence or raises."""
