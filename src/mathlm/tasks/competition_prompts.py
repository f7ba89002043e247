"""Our prompts for competition mathematics, whose answer is an expression in LaTeX (MATH).

Each worked example has a solution in words and a program with SymPy; the tests run the programs
and grade both. Written for this project; none of them is taken from a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

from mathlm.tasks.prompt import USE_PYTHON, Prompt, tool_shot

_EXAMPLES = (
    (
        "Find the sum of all integers $n$ for which $n^2 - 5n < 6$.",
        "The inequality is $n^2 - 5n - 6 < 0$, that is $(n - 6)(n + 1) < 0$, which holds exactly"
        " for $-1 < n < 6$. These integers are $0, 1, 2, 3, 4, 5$, and their sum is"
        " $\\frac{5 \\cdot 6}{2} = 15$. The answer is $\\boxed{15}$.",
        "answer = sum(n for n in range(-100, 101) if n**2 - 5*n < 6)",
    ),
    (
        "Two fair dice are rolled. What is the probability that the sum of the two numbers is at"
        " least 10? Express your answer as a common fraction.",
        "The sum is 10 in three ways, $(4, 6), (5, 5), (6, 4)$, it is 11 in two ways and 12 in one"
        " way: six of the $6 \\cdot 6 = 36$ equally likely results. The probability is"
        " $\\frac{6}{36} = \\frac{1}{6}$. The answer is $\\boxed{\\frac{1}{6}}$.",
        "from sympy import Rational\n\nrolls = [(a, b) for a in range(1, 7) for b in range(1, 7)]\n"
        "good = [roll for roll in rolls if sum(roll) >= 10]\n"
        "answer = Rational(len(good), len(rolls))",
    ),
    (
        "For which real numbers $x$ is $\\frac{\\sqrt{3 - x}}{x + 1}$ a real number? Express your"
        " answer in interval notation.",
        "Under the root, $3 - x \\ge 0$ means $x \\le 3$. The denominator is not zero for"
        " $x \\ne -1$. Together, $x$ lies in $(-\\infty, -1) \\cup (-1, 3]$."
        " The answer is $\\boxed{(-\\infty, -1) \\cup (-1, 3]}$.",
        "from sympy import Interval, Union, oo\n\n"
        "# 3 - x >= 0 and x + 1 != 0\nbelow = Interval.open(-oo, -1)\nabove = Interval.Lopen(-1, 3)"
        "\nanswer = Union(below, above)",
    ),
    (
        "The lines $y = 2x - 7$ and $x + 3y = -7$ meet at the point $(x, y)$. Find it.",
        "Putting $y = 2x - 7$ into the second equation gives $x + 3(2x - 7) = -7$, so $7x = 14$ and"
        " $x = 2$. Then $y = 2 \\cdot 2 - 7 = -3$. The answer is $\\boxed{(2, -3)}$.",
        "from sympy import Eq, solve, symbols\n\nx, y = symbols('x y')\n"
        "solution = solve([Eq(y, 2*x - 7), Eq(x + 3*y, -7)], [x, y])\n"
        "answer = (solution[x], solution[y])",
    ),
    (
        "A right triangle has legs of length $\\sqrt{6}$ and $\\sqrt{12}$. How long is the altitude"
        " to its hypotenuse?",
        "The hypotenuse is $\\sqrt{6 + 12} = 3\\sqrt{2}$. Twice the area is $\\sqrt{6} \\cdot"
        " \\sqrt{12} = 6\\sqrt{2}$, and it is also the hypotenuse times the altitude, which is thus"
        " $\\frac{6\\sqrt{2}}{3\\sqrt{2}} = 2$. The answer is $\\boxed{2}$.",
        "from sympy import simplify, sqrt\n\nleg_a, leg_b = sqrt(6), sqrt(12)\n"
        "hypotenuse = sqrt(leg_a**2 + leg_b**2)\nanswer = simplify(leg_a * leg_b / hypotenuse)",
    ),
)
_SHOTS = tuple((question, solution) for question, solution, _ in _EXAMPLES)
_PROGRAMS = tuple((question, program) for question, _, program in _EXAMPLES)
_OUTPUTS = ("15", "1/6", "Union(Interval.open(-oo, -1), Interval.Lopen(-1, 3))", "(2, -3)", "2")
"""What the programs print, `print(answer)` after them."""
_TOOL = tuple(
    (question, tool_shot(program, output, solution))
    for (question, solution, program), output in zip(_EXAMPLES, _OUTPUTS, strict=True)
)
_ASK_TOOL = "{question}\n\n" + USE_PYTHON + " End with the final answer in \\boxed{}."
_ASK = "{question}\n\nSolve the problem step by step and put the final answer into \\boxed{}."
_ASK_PROGRAM = (
    "{question}\n\nWrite a Python program that solves the problem exactly (SymPy may be used) and"
    " leaves the result in the variable `answer`. Give the program alone, in one code block."
)

COMPETITION: Mapping[str, Prompt] = {
    "cot": Prompt(_SHOTS, "Problem:\n{question}\n\nSolution:\n", "{answer}\n\n", ("\n\nProblem:",)),
    "cot.zero-shot": Prompt((), _ASK + "\n\nSolution:\n", "", ("\n\nProblem:",)),
    "cot.chat": Prompt((), _ASK, "", (), chat=True),
    "program": Prompt(
        _PROGRAMS,
        "Problem:\n{question}\n\nProgram, with the result in `answer`:\n",
        "{answer}\n\n",
        ("\n\nProblem:",),
    ),
    "program.zero-shot": Prompt((), _ASK_PROGRAM + "\n\n```python\n", "", ("```",)),
    "program.chat": Prompt((), _ASK_PROGRAM, "", (), chat=True),
    "tool": Prompt(
        _TOOL,
        "Problem:\n{question}\n\nSolution:\n",
        "{answer}\n\n",
        ("\n\nProblem:",),
        program_form="print",
    ),
    "tool.chat": Prompt((), _ASK_TOOL, "", (), chat=True, program_form="print"),
}
"""By key of a task's `prompts`."""
