"""Programs in a model's text, by the form in which a prompt asks for them, and what they gave.

Pure text: nothing is run or parsed here (`mathlm.solving.sandbox` does that). Sources of the forms:
PAL (arXiv 2211.10435), program of thought (2211.12588), MAmmoTH (2309.05653), Llemma's SymPy
prompt (2310.10631).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mathlm.core.records import CompletionSegment, TypedValue
from mathlm.solving.services import ToolResult
from mathlm.tasks.prompt import Prompt

_BLOCK = re.compile(r"```([^\n`]*)\n(.*?)(?:```(?!\w)|(?=```\w)|\Z)", re.DOTALL)
_PYTHON = frozenset({"", "py", "python", "python3", "sympy"})
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
_FOLDER = re.compile(r"/tmp/[^\s\"']+")
_PRINTS = "print("
# What programs of thought may use without importing it (their published prompt says so).
_OF_THOUGHT = """\
import math
from sympy import Symbol, simplify, solve
def solve_it(equations, variables):
    found = solve(equations, variables, dict=True)
    names = variables if isinstance(variables, list) else [variables]
    return found[0] if found else dict.fromkeys(names)
"""


class Block(NamedTuple):
    """A fenced block of a text."""

    language: str
    code: str
    closed: bool
    """False where the text ends inside it."""
    end: int
    """Where in the text it ends."""

    @property
    def python(self) -> bool:
        """Whether it may be a program."""
        return self.language.strip().lower() in _PYTHON


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a text, in their order."""
    return [
        Block(found[1], found[2], found.end() > found.end(2), found.end())
        for found in _BLOCK.finditer(text)
    ]


def program_of(text: str) -> str:
    """The program in a text: its first fenced block of Python, else all of it."""
    fenced = [block for block in blocks_of(text) if block.python] or blocks_of(text)
    return (fenced[0].code if fenced else text).strip("\n") + "\n"


def program_in_form(text: str, prompt: Prompt) -> str:
    """The whole program to run for a model's answer to a prompt; empty where it wrote none."""
    if not text.strip():
        return ""
    if prompt.program_form == "solution":
        return _called(program_of(text))
    if prompt.program_form == "blocks":
        return _assembled(text)
    program = program_of(text)
    if prompt.program_form == "print":
        return program if _PRINTS in program else ""
    return program if prompt.answer_name == "answer" else _OF_THOUGHT + program


def _called(program: str) -> str:
    """PAL's function with the call that the published evaluation adds."""
    if "def solution" not in program and program[:1] in " \t":
        program = "def solution():\n" + program  # the prompt ended with the function's head
    return f"{program}\nanswer = solution()\nprint(answer)\n"


def _assembled(text: str) -> str:
    """Llemma's two blocks: the second one has the imports of the first."""
    found = blocks_of(text)
    if not found:
        return program_of(text)
    imports = found[1].code if len(found) > 1 else ""
    return f"{imports.strip()}\n{found[0].code.strip()}\n"


def _error_line(result: ToolResult) -> str:
    """The last line of an error without addresses and folders, which differ from run to run."""
    last = result.error.strip().rsplit("\n", 1)[-1]
    return _FOLDER.sub("…", _ADDRESS.sub("0x…", last))


def output_of(result: ToolResult, characters: int | None = None) -> str:
    """What a program's run shows: what it printed, and in one line what went wrong.

    Cut in the middle where it is longer than `characters`.
    """
    shown = result.stdout
    if result.status != "ok":
        wrong = _error_line(result)
        if result.status != "error":
            wrong = f"{result.status}: {wrong}" if wrong else result.status
        shown += wrong
    if characters is None or len(shown) <= characters:
        return shown
    half = characters // 2
    return f"{shown[:half]}\n…\n{shown[-half:]}"


def tool_segment(
    result: ToolResult, prompt: Prompt, characters: int | None = None
) -> CompletionSegment:
    """A program's run as a segment; the variable `answer` is what the prompt's form says it is."""
    variables = dict(result.variables)
    if prompt.program_form == "print" and result.stdout.strip():
        variables.pop("answer", None)  # the output is the answer
    if prompt.program_form == "answer" and prompt.answer_name in variables:
        variables["answer"] = variables[prompt.answer_name]
    return CompletionSegment(
        source="tool",
        text=output_of(result, characters),
        status=result.status,
        level=result.level,
        variables=dict(sorted(variables.items())),
    )


def gave_answer(segment: CompletionSegment) -> bool:
    """Whether a program's run left anything that could be an answer."""
    value: TypedValue | None = segment.variables.get("answer")
    named = value is not None and value.type != "NoneType"
    return segment.status == "ok" and (named or bool(segment.text.strip()))
