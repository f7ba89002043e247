"""Engines, solvers and the sandbox: problems to completions."""
