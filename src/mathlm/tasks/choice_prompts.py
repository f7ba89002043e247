"""Our prompts for multiple choice: mathematics and the sciences, four choices or five.

Each worked example has a solution in words, and for the mathematical ones a program that leaves
the letter of the nearest choice; the tests run the programs and grade both. Written for this
project; none of them is taken from a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

from mathlm.tasks.prompt import USE_PYTHON, Prompt, listed, tool_shot

_EXAMPLES = (
    (
        "A train covers 150 km in 1 hour and 15 minutes. What is its mean speed?"
        "\n(A) 100 km/h\n(B) 112.5 km/h\n(C) 120 km/h\n(D) 187.5 km/h",
        "1 hour and 15 minutes are 1.25 hours. The mean speed is 150 / 1.25 = 120 km/h. The answer"
        " is (C).",
        'choices = {"A": 100, "B": 112.5, "C": 120, "D": 187.5}\nspeed = 150 / 1.25\n'
        "answer = min(choices, key=lambda letter: abs(choices[letter] - speed))",
    ),
    (
        "Which of these numbers is a root of $x^2 - 4x - 21$?\n(A) $-7$\n(B) $-3$\n(C) $3$\n(D)"
        " $21$",
        "Since $x^2 - 4x - 21 = (x - 7)(x + 3)$, the roots are $7$ and $-3$. Of the choices, only"
        " $-3$ is one of them. The answer is (B).",
        'choices = {"A": -7, "B": -3, "C": 3, "D": 21}\n'
        "answer = next(k for k, x in choices.items() if x**2 - 4*x - 21 == 0)",
    ),
    (
        "A stone falls from rest for 3 s. How far does it fall, with $g = 10$ m/s$^2$ and without"
        " drag?\n(A) 15 m\n(B) 30 m\n(C) 90 m\n(D) 45 m",
        "From rest, the distance is $\\frac{1}{2} g t^2 = \\frac{1}{2} \\cdot 10 \\cdot 3^2 = 45$"
        " m. The answer is (D).",
        'choices = {"A": 15, "B": 30, "C": 90, "D": 45}\ndistance = 10 * 3**2 / 2\n'
        "answer = min(choices, key=lambda letter: abs(choices[letter] - distance))",
    ),
    (
        "How many comparisons does binary search need at most to find a key in a sorted array of"
        " 1,000 keys?\n(A) 10\n(B) 32\n(C) 500\n(D) 1,000",
        "Every comparison halves the part of the array that is left. Since $2^{10} = 1024 > 1000$,"
        " ten comparisons are enough. The answer is (A).",
        'choices = {"A": 10, "B": 32, "C": 500, "D": 1000}\ncomparisons = (1000).bit_length()\n'
        "answer = min(choices, key=lambda letter: abs(choices[letter] - comparisons))",
    ),
)
_SHOTS = tuple((question, solution) for question, solution, _ in _EXAMPLES)
_PROGRAMS = tuple((question, program) for question, _, program in _EXAMPLES)
_OUTPUTS = ("C", "B", "D", "A")
"""What the programs print, `print(answer)` after them."""
_TOOL = tuple(
    (question, tool_shot(program, output, solution))
    for (question, solution, program), output in zip(_EXAMPLES, _OUTPUTS, strict=True)
)
_ASK_TOOL = (
    "{question}{choices}\n\n" + USE_PYTHON + " End with a line `The answer is (X).`, where X is"
    " the letter of the right choice."
)
_ASK = (
    "{question}{choices}\n\nThink step by step. End with a line `The answer is (X).`, where X is"
    " the letter of the right choice."
)
_ASK_PROGRAM = (
    "{question}{choices}\n\nWrite a Python program that works out which choice is right and leaves"
    " its letter, as a string, in the variable `answer`. Give the program alone, in one code block."
)

CHOICE: Mapping[str, Prompt] = {
    "cot": Prompt(
        _SHOTS, "Question: {question}{choices}\nAnswer:", " {answer}\n\n", ("\n\n",), choices=listed
    ),
    "cot.zero-shot": Prompt((), _ASK + "\n\nSolution:\n", "", ("\n\nQuestion:",), choices=listed),
    "cot.chat": Prompt((), _ASK, "", (), choices=listed, chat=True),
    "program": Prompt(
        _PROGRAMS,
        "Question: {question}{choices}\nProgram, with the right choice's letter in `answer`:\n",
        "{answer}\n\n",
        ("\n\nQuestion:",),
        choices=listed,
    ),
    "program.zero-shot": Prompt((), _ASK_PROGRAM + "\n\n```python\n", "", ("```",), choices=listed),
    "program.chat": Prompt((), _ASK_PROGRAM, "", (), choices=listed, chat=True),
    "tool": Prompt(
        _TOOL,
        "Question: {question}{choices}\nAnswer:\n",
        "{answer}\n\n",
        ("\n\nQuestion:",),
        program_form="print",
        choices=listed,
    ),
    "tool.chat": Prompt((), _ASK_TOOL, "", (), chat=True, program_form="print", choices=listed),
}
"""By key of a task's `prompts`."""
