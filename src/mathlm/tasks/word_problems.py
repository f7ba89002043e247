"""Our prompts for word problems whose answer is a number (GSM8K and its like).

Each worked example has a solution in words and a program; the tests run the programs and grade
both. Written for this project; none of them is taken from a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

from mathlm.tasks.prompt import USE_PYTHON, Prompt, tool_shot

_EXAMPLES = (
    (
        "A bakery fills 24 trays a day with 18 rolls each. One day it sells 395 rolls. How many"
        " rolls are left over that day?",
        "The bakery makes 24 * 18 = 432 rolls. After selling 395 of them, 432 - 395 = 37 are left"
        " over. The answer is 37.",
        "rolls_made = 24 * 18\nrolls_sold = 395\nanswer = rolls_made - rolls_sold",
    ),
    (
        "Nadia reads 15 pages every morning and 25 pages every evening. Her book has 520 pages."
        " How many days does she need for it?",
        "Every day Nadia reads 15 + 25 = 40 pages. For 520 pages she needs 520 / 40 = 13 days."
        " The answer is 13.",
        "pages_per_day = 15 + 25\npages_in_book = 520\nanswer = pages_in_book // pages_per_day",
    ),
    (
        "A jacket for $80 is sold with 15% off, and then a delivery fee of $4 is added. How many"
        " dollars does a buyer pay?",
        "15% of $80 is 0.15 * 80 = 12 dollars, so the jacket costs 80 - 12 = 68 dollars. With the"
        " fee a buyer pays 68 + 4 = 72 dollars. The answer is 72.",
        "price = 80\ndiscount = price * 15 / 100\nfee = 4\nanswer = price - discount + fee",
    ),
    (
        "Omar is three times as old as Lena. In 6 years their ages together will be 60 years. How"
        " old is Omar now?",
        "In 6 years both of them are 6 years older, so together they are 60 - 2 * 6 = 48 years old"
        " now. Lena has one part of four, 48 / 4 = 12 years, and Omar three, 3 * 12 = 36 years."
        " The answer is 36.",
        "years = 6\nages_now = 60 - 2 * years\nlena = ages_now // 4\nanswer = 3 * lena",
    ),
    (
        "A tank holds 900 liters and is one third full. A pipe lets in 40 liters a minute while 10"
        " liters a minute leak out. After how many minutes is the tank full?",
        "The tank holds 900 / 3 = 300 liters now, so 900 - 300 = 600 liters are missing. Every"
        " minute 40 - 10 = 30 liters are gained, so it takes 600 / 30 = 20 minutes. The answer is"
        " 20.",
        "capacity = 900\nmissing = capacity - capacity / 3\ngain_per_minute = 40 - 10\n"
        "answer = missing / gain_per_minute",
    ),
    (
        "Four friends share the rent of $1,260 for a flat equally. Each of them also pays $35 for"
        " heating. How many dollars does each of them pay?",
        "The rent is 1260 / 4 = 315 dollars for each of them. With heating each pays 315 + 35 ="
        " 350 dollars. The answer is 350.",
        "rent = 1260\nfriends = 4\nheating = 35\nanswer = rent / friends + heating",
    ),
    (
        "A school orders 3 buses with 48 seats each for 127 pupils and 9 teachers. How many seats"
        " stay empty?",
        "The buses have 3 * 48 = 144 seats. 127 + 9 = 136 people ride in them, so 144 - 136 = 8"
        " seats stay empty. The answer is 8.",
        "seats = 3 * 48\npeople = 127 + 9\nanswer = seats - people",
    ),
    (
        "Ivy gets an allowance of $56. She saves half of it and spends a quarter of the rest on a"
        " pen. How many dollars has she neither saved nor spent?",
        "Ivy saves 56 / 2 = 28 dollars and has 56 - 28 = 28 dollars to spend. The pen costs 28 / 4"
        " = 7 dollars, so 28 - 7 = 21 dollars remain. The answer is 21.",
        "allowance = 56\nrest = allowance - allowance / 2\npen = rest / 4\nanswer = rest - pen",
    ),
)
_SHOTS = tuple((question, solution) for question, solution, _ in _EXAMPLES)
_PROGRAMS = tuple((question, program) for question, _, program in _EXAMPLES)
_OUTPUTS = ("37", "13", "72.0", "36", "20.0", "350.0", "8", "21.0")
"""What the programs print, `print(answer)` after them."""
_TOOL = tuple(
    (question, tool_shot(program, output, solution))
    for (question, solution, program), output in zip(_EXAMPLES, _OUTPUTS, strict=True)
)
_ASK_TOOL = (
    "{question}\n\n" + USE_PYTHON + " End with a line `The answer is N.`, where N is"
    " a number without its unit."
)
_ASK = (
    "{question}\n\nSolve the problem step by step. End with a line `The answer is N.`, where N is"
    " a number without its unit."
)
_ASK_PROGRAM = (
    "{question}\n\nWrite a Python program that solves the problem and leaves the result, a number,"
    " in the variable `answer`. Give the program alone, in one code block."
)

WORD_PROBLEMS: Mapping[str, Prompt] = {
    "cot": Prompt(_SHOTS, "Question: {question}\nAnswer:", " {answer}\n\n", ("\n\n",)),
    "cot.zero-shot": Prompt((), _ASK + "\n\nSolution:\n", "", ("\n\nQuestion:", "\n\nProblem:")),
    "cot.chat": Prompt((), _ASK, "", (), chat=True),
    "program": Prompt(
        _PROGRAMS,
        "Question: {question}\nProgram, with the result in `answer`:\n",
        "{answer}\n\n",
        ("\n\nQuestion:",),
    ),
    "program.zero-shot": Prompt((), _ASK_PROGRAM + "\n\n```python\n", "", ("```",)),
    "program.chat": Prompt((), _ASK_PROGRAM, "", (), chat=True),
    "tool": Prompt(
        _TOOL,
        "Question: {question}\nAnswer:\n",
        "{answer}\n\n",
        ("\n\nQuestion:",),
        program_form="print",
    ),
    "tool.chat": Prompt((), _ASK_TOOL, "", (), chat=True, program_form="print"),
}
"""By key of a task's `prompts`."""
