"""The command line: one file a command; the only place that reads argv or the environment."""
