"""The part that runs outside this process: zygote, init and the confined program.

These modules import the standard library and one another only: the zygote loads them without
`mathlm` itself, so that a program finds nothing of ours (nor pydantic) in its interpreter.
"""
