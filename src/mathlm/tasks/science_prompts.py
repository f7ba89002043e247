"""Our prompts for free-form problems of the sciences (OCWCourses): numbers, formulas, equations.

Each worked example has a solution in words and a program; the tests run the programs and grade
both. Written for this project; none of them is taken from a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

from mathlm.tasks.prompt import USE_PYTHON, Prompt, tool_shot

_EXAMPLES = (
    (
        "A resistor of $220 \\mathrm{~\\Omega}$ carries a current of $50 \\mathrm{~mA}$. What power"
        " does it turn into heat, in watts?",
        "The power is $P = I^2 R = (0.050)^2 \\cdot 220 = 0.55$ W. The answer is $\\boxed{0.55}$.",
        "current = 0.050  # A\nresistance = 220  # ohm\nanswer = round(current**2 * resistance, 4)",
    ),
    (
        "Find the solution $y(t)$ of $\\dot{y} + 3y = 6$ with $y(0) = 0$.",
        "The constant solution is $y = 2$, and solutions of $\\dot{y} + 3y = 0$ are multiples of"
        " $e^{-3t}$. So $y = 2 + c e^{-3t}$, and $y(0) = 0$ gives $c = -2$. The answer is"
        " $\\boxed{2 - 2 e^{-3 t}}$.",
        "from sympy import Eq, Function, dsolve, symbols\n\nt = symbols('t')\ny = Function('y')\n"
        "solution = dsolve(Eq(y(t).diff(t) + 3*y(t), 6), y(t), ics={y(0): 0})\n"
        "answer = solution.rhs",
    ),
    (
        "Light of wavelength $500 \\mathrm{~nm}$ in vacuum has which frequency in hertz? Use"
        " $c = 3.0 \\times 10^{8} \\mathrm{~m/s}$.",
        "The frequency is $\\nu = \\frac{c}{\\lambda} = \\frac{3.0 \\times 10^{8}}{5.00 \\times"
        " 10^{-7}} = 6.0 \\times 10^{14}$ Hz. The answer is $\\boxed{6.0 \\times 10^{14}}$.",
        "speed = 3.0e8  # m/s\nwavelength = 500e-9  # m\nanswer = speed / wavelength",
    ),
    (
        "A firm's demand curve is $P = 100 - 2Q$. Write the marginal revenue $MR$ as a function of"
        " the quantity $Q$.",
        "Revenue is $R = PQ = 100Q - 2Q^2$, and marginal revenue is its derivative,"
        " $MR = 100 - 4Q$. The answer is $\\boxed{100 - 4 Q}$.",
        "from sympy import diff, symbols\n\nQ = symbols('Q')\nrevenue = (100 - 2*Q) * Q\n"
        "answer = diff(revenue, Q)",
    ),
)
_SHOTS = tuple((question, solution) for question, solution, _ in _EXAMPLES)
_PROGRAMS = tuple((question, program) for question, _, program in _EXAMPLES)
_OUTPUTS = ("0.55", "2 - 2*exp(-3*t)", "600000000000000.0", "100 - 4*Q")
"""What the programs print, `print(answer)` after them."""
_TOOL = tuple(
    (question, tool_shot(program, output, solution))
    for (question, solution, program), output in zip(_EXAMPLES, _OUTPUTS, strict=True)
)
_ASK_TOOL = (
    "{question}\n\n" + USE_PYTHON + " End with the final answer, without its unit, in \\boxed{}."
)
_ASK = (
    "{question}\n\nSolve the problem step by step and put the final answer, without its unit, into"
    " \\boxed{}."
)
_ASK_PROGRAM = (
    "{question}\n\nWrite a Python program that solves the problem (SymPy may be used) and leaves"
    " the result, without its unit, in the variable `answer`. Give the program alone, in one code"
    " block."
)

SCIENCE: Mapping[str, Prompt] = {
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
