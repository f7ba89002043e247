"""Ways to solve a problem with an engine."""
