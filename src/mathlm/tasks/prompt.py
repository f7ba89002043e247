"""How a question is put to a model: worked examples or a published text, then the question.

Not here: which prompts a task has (its own file). Our own prompts are committed; a published one
is read byte for byte from a file that the user has, by its sha256 (no published text is ours to
ship). Source: few-shot prompting as in lm-evaluation-harness (shots, then the question).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from mathlm.core.environment import data_folder
from mathlm.core.errors import UserError
from mathlm.core.records import Problem

ProgramForm = Literal["answer", "solution", "print", "blocks"]
Role = Literal["system", "user", "assistant"]
_PLACE = re.compile(r"\{(question|choices|header|asked)\}")
_PROMPTS = "prompts"


class Turn(NamedTuple):
    """One turn of a chat prompt."""

    role: Role
    text: str


def lettered(choices: Sequence[str]) -> str:
    """Choices as `(A) first, (B) second`."""
    return ", ".join(
        f"({letter}) {text}" for letter, text in zip("ABCDEFGHIJ", choices, strict=False)
    )


def listed(choices: Sequence[str]) -> str:
    """Choices on a line of their own each, after a line break: `(A) first`; none: nothing."""
    return "".join(
        f"\n({letter}) {text}" for letter, text in zip("ABCDEFGHIJ", choices, strict=False)
    )


USE_PYTHON = (
    "Solve the problem with the help of Python. Write a program that prints what you need in a"
    " ```python block; its output will follow in an ```output block, and then you go on."
)
"""How our prompts ask a chat model for the tool loop."""


def tool_shot(program: str, output: str, solution: str) -> str:
    """A worked solution of the tool loop: a program, its output, the solution's last sentence."""
    said = solution[solution.rindex("The answer is") :]
    return f"```python\n{program}\nprint(answer)\n```\n```output\n{output}\n```\n{said}"


@dataclass(frozen=True)
class Published:
    """A text that somebody else published, in a file that the user has."""

    path: str
    """Below the prompts' folder (`MATHLM_DATA`/prompts, or the folder that the user gives)."""
    sha256: str
    source: str
    """Repository and place there."""
    shots: int
    """Worked examples in the text."""
    part: Callable[[str], str] = str
    """What of the file is the prompt (default: all of it)."""
    folder: str | None = None

    def text(self) -> str:
        """The prompt's text; UserError where the file is missing or not the published one."""
        if self.folder is not None:
            root = Path(self.folder)
        else:
            data = data_folder()
            if data is None:
                raise UserError(
                    f"the published prompt {self.path} ({self.source}) is not part of mathlm: set"
                    f" MATHLM_DATA to a folder that has {_PROMPTS}/{self.path}, or give prompts ="
                    " FOLDER"
                )
            root = data / _PROMPTS
        return self.part(_read(root / self.path, self.sha256))


@lru_cache(maxsize=64)
def _read(path: Path, sha256: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the published prompt {path}: {error.strerror}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise UserError(
            f"{path} is not the published prompt: its sha256 is {found[:12]}…, not {sha256[:12]}…"
        )
    return data.decode("utf-8")


@dataclass(frozen=True)
class Prompt:
    """How a task's question is put to a model, with worked examples before it."""

    shots: tuple[tuple[str, str], ...]
    """(question, worked solution) pairs, in the order in which they are shown."""
    question: str
    """Text with `{question}`, and `{choices}` where there are some; what follows it is the
    model's to write. `{header}` is what the data set writes apart from the question (a passage
    before it, or its choices), `{asked}` the question without that passage."""
    answer: str
    """How a shot's solution follows its question: text with `{answer}`."""
    stops: tuple[str, ...]
    """The first of these that the model writes ends its answer (and is not part of it)."""
    published: Published | None = None
    """A published text that stands in place of the shots, byte for byte. Where it holds the
    question's place itself (`{question}`), `question` is what follows it."""
    choices: Callable[[Sequence[str]], str] = lettered
    """How the choices of a problem are written out."""
    chat: bool = False
    """For chat models: shots are turns, the question is the user's last turn."""
    system: str | Published = ""
    """What the system's turn of a chat says; none where empty."""
    program_form: ProgramForm = "answer"
    """How a program hands over its result. `answer`: a variable of that name; `solution`: what
    `solution()` returns (PAL); `print`: its output; `blocks`: a first block with the body, a
    second with its imports, the variable `answer` (Llemma's SymPy prompt)."""
    answer_name: str = "answer"
    """The variable that holds the result, for the form `answer` (program of thought: `ans`)."""

    @property
    def shot_count(self) -> int:
        """Worked examples that there are."""
        return self.published.shots if self.published else len(self.shots)

    def check_shots(self, shots: int) -> None:
        """Raise ValueError where so many worked examples cannot be shown."""
        if self.published is not None and shots != self.published.shots:
            raise ValueError(
                f"{shots} shots were asked for, the published prompt {self.published.path} is used"
                f" whole, with {self.published.shots}"
            )
        if not 0 <= shots <= self.shot_count:
            raise ValueError(f"{shots} shots were asked for, the prompt has {self.shot_count}")

    def examples(self, shots: int) -> str:
        """What every prompt begins with: the text before the question's place.

        Raises ValueError where the prompt cannot show so many, UserError where a published text
        cannot be read.
        """
        self.check_shots(shots)
        if self.published is not None:
            return self.published.text().partition("{question}")[0]
        return "".join(self._shot(pair) for pair in self.shots[:shots])

    def render(self, problem: Problem, shots: int) -> str:
        """The text to complete: the first `shots` worked examples, then the problem's question.

        Raises what `examples` raises.
        """
        self.check_shots(shots)
        if self.published is not None:
            return self._filled(self.published.text() + self.question, problem)
        return self.examples(shots) + self._filled(self.question, problem)

    def messages(self, problem: Problem, shots: int) -> tuple[Turn, ...]:
        """The same as the turns of a chat, the last one the user's."""
        self.check_shots(shots)
        system = self.system.text() if isinstance(self.system, Published) else self.system
        turns = [Turn("system", system)] if system else []
        for question, answer in self.shots[:shots] if self.published is None else ():
            shown = Problem(id="", task="", prompt=question)
            turns.append(Turn("user", self._filled(self.question, shown)))
            turns.append(Turn("assistant", answer))
        if self.published is not None:
            question = self._filled(self.published.text() + self.question, problem)
        else:
            question = self._filled(self.question, problem)
        return (*turns, Turn("user", question))

    def from_folder(self, folder: str | None) -> Prompt:
        """The same prompt with its published texts (in the user's folder) read and checked."""
        texts = {"published": self.published, "system": self.system}
        moved = {
            name: text if folder is None else replace(text, folder=folder)
            for name, text in texts.items()
            if isinstance(text, Published)
        }
        for text in moved.values():
            text.text()
        return replace(self, **moved) if folder is not None else self  # type: ignore[arg-type]

    def _shot(self, pair: tuple[str, str]) -> str:
        question, answer = pair
        asked = self._filled(self.question, Problem(id="", task="", prompt=question))
        return asked + self.answer.replace("{answer}", answer)

    def _filled(self, template: str, problem: Problem) -> str:
        """The template with the problem put in; nothing in the problem's text is a place."""
        header = problem.header or ""
        values = {
            "question": problem.prompt,
            "choices": self.choices(problem.choices),
            "header": header,
            "asked": problem.prompt.removeprefix(header).strip(),
        }
        return _PLACE.sub(lambda match: values[match[1]], template)
