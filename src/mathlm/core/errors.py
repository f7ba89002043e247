"""The three kinds of failure, in one file.

A user's mistake is a `UserError`; a broken machine is a `MachineError`; a bad item (page, answer,
program) is neither: it is a value (a drop reason, a status, an outcome) and never leaves its item.
"""


class UserError(Exception):
    """The user's mistake: one line that says what is wrong and what to do. Exit code 2."""


class MachineError(Exception):
    """The machine failed (disk full, lost worker): finished work is kept. Exit code 3."""
