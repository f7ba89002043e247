"""The emulated graders keep the habits, and the faults, that were measured in the originals."""

import pytest

from mathlm.core.errors import UserError
from mathlm.grading import POLICIES, grade
from mathlm.grading.latex_text import latex_to_text
from mathlm.grading.llemma import numeric_equal
from mathlm.grading.minerva import normalise
from mathlm.grading.parse_latex import parse_prefix
from mathlm.grading.policies import installed
from mathlm.grading.terms import show


def _right(gold, answer, policy, task=None):
    return grade(gold, answer, policy=policy, task=task).status == "correct"


@pytest.mark.parametrize(
    ("task", "gold", "answer", "right"),
    [
        # GSM8k: digits after the phrase, first match
        ("gsm8k", "#### 1,600", "The answer is 1,600.", False),
        ("gsm8k", "#### 1", "The answer is 1,600.", True),
        ("gsm8k", "#### 18", "The answer is $18.", False),
        ("gsm8k", "#### 12", "The answer is 12.5.", True),
        ("gsm8k", "#### -4", "The answer is -4.", False),
        # MATH: the phrase is demanded, prefixes are compared, a gold of 0 only as a string
        ("minerva_math_algebra", "\\boxed{5}", "so it is 5 of them, I am sure of that", False),
        ("minerva_math_algebra", "\\boxed{5}", "Final Answer: The final answer is $5$.", True),
        ("minerva_math_algebra", "\\boxed{A,D}", "Final Answer: The final answer is $A,B$.", True),
        ("minerva_math_algebra", "\\boxed{0}", "Final Answer: The final answer is $0.0$.", False),
        ("minerva_math_algebra", "\\boxed{.5}", "Final Answer: The final answer is $0.5$.", False),
        ("minerva_math_algebra", "\\boxed{2}", "Final Answer: The final answer is $x=2$.", True),
        # OCW: 1 % only near 0, equations never, negative golds fail against themselves near 0
        ("ocw_courses", "3.89e-10", "Final answer: The final answer is 3.86e-10.", True),
        ("ocw_courses", "100", "Final answer: The final answer is 100.5.", False),
        ("ocw_courses", "x=1", "Final answer: The final answer is x=1.", False),
        ("ocw_courses", "-7", "Final answer: The final answer is -7.", False),
        # MMLU and SAT: the letter in its brackets
        ("sat", "B", "Final Answer: The final answer is (B).", True),
        ("sat", "B", "Final Answer: The final answer is B, I think so.", False),
        # MATH with Python: int() before float()
        ("sympy_math_algebra", "\\boxed{\\frac12}", "0.9", True),
        ("sympy_math_algebra", "\\boxed{\\sqrt{2}}", "1", True),
        ("sympy_math_algebra", "\\boxed{\\frac{20}{3}}", "6.01", True),
        ("sympy_math_algebra", "\\boxed{1,2}", "[1, 2]", False),
        # GSM8k with Python: floats compared exactly
        ("python_gsm8k", "#### 18", "18.0", True),
        ("python_gsm8k", "#### 18", "17.999999999999996", False),
    ],
)
def test_llemma_bug_for_bug(task, gold, answer, right):
    assert _right(gold, answer, "llemma", task) is right


def test_ocw_tolerance_is_signed():
    assert not numeric_equal(-7.0, -7.0)
    assert numeric_equal(7.0, 7.00000001)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("1,2", "1"), ("A,D", ".A"), ("2 3", "23"), ("1\\frac{1}{2}", "(1*(1/2))"),
        ("x\\in[1,2]", None), ("(1,2)", None), (".5", None), ("5\\%", None), ("x=3", None),
        ("2\\pi", "(2*.pi)"), ("\\pm\\frac34", "(.pm*(3/4))"), ("\\{1\\}", "1"), ("5!", "!(5)"),
    ],
)  # fmt: skip
def test_the_emulated_parser_reads_as_the_original_did(text, term):
    """Measured with SymPy 1.13.1 and antlr 4.11."""
    got = parse_prefix(text)
    assert (got and show(got)) == term


def test_minerva_substitutions():
    assert normalise("x = 5\\text{ square feet}") == "5"
    assert normalise("\\frac12") == "\\frac{1}{2}"
    assert normalise("1,000") == "1000"
    assert normalise("\\boxed{\\text{and}3}") == "3"


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("\\frac{1}{2}", "1/2", True),
        ("\\frac{1}{2}", "2/4", False),
        ("5", "5.0", True),
        ("5", "10/2", False),
        ("10\\%", "10", True),
        ("(1,2)", "[1,2]", False),
        ("(1, 2)", "(1,2)", True),
        ("x+1", "1+x", True),
        ("x^{2}", "x*x", True),
        ("10\\text{ units}", "10", True),
        ("3 million", "3000000", False),
        ("\\text{Evelyn}", "evelyn", True),
    ],
)
def test_prm800k(gold, answer, right):
    assert _right(gold, answer, "prm800k") is right


def test_an_unknown_policy_is_named_with_those_there_are():
    with pytest.raises(UserError, match="no policy 'nobody'; there are default, llemma"):
        grade("1", "1", policy="nobody")


@pytest.mark.parametrize("policy", sorted(set(POLICIES) - {"math_verify"}))
def test_every_policy_accepts_a_plain_number_and_refuses_another(policy):
    assert _right("\\boxed{17}", "Final Answer: The final answer is $17$.", policy)
    assert not _right("\\boxed{17}", "Final Answer: The final answer is $18$.", policy)
    assert grade("\\boxed{17}", "", policy=policy).status == "no_answer"


@pytest.mark.skipif("math_verify" not in installed(), reason="math-verify is not installed")
def test_the_library_as_a_peer():
    assert _right("$1/2$", "$\\frac{2}{4}$", "math_verify")
    assert grade("$1/2$", "$\\frac{2}{5}$", policy="math_verify").status == "incorrect"


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        ("\\frac{x+1}{y-2}", "x+1/y-2"), ("\\sqrt[3]{2}", "√(2)"), ("\\sqrt23", "√(2)3"),
        ("\\mbox{cm}", ""), ("\\text{ and }", " and "), ("\\left( 3 , 4 \\right]", "( 3 , 4 ]"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "[ 1 2; 3 4 ]"), ("\\unknown{ab}c", "abc"),
        ("\\begin{array}{cc} 1 & 2 \\\\ 3 & 4 \\end{array}", "[ 1 2; 3 4 ]"), ("30\\", "30"),
        ("\\binom{5}{2}", "52"), ("x\\in\\mathbb{R}", "x∈ℝ"), ("1{,}000", "1,000"),
        ("\\begin{pmatrix} 1 \\\\[2pt] 2 \\end{pmatrix}", "[ 1; 2 ]"), ("\\sin x", "sinx"),
    ],
)  # fmt: skip
def test_latex_as_the_text_that_pylatexenc_prints(latex, text):
    """Measured with pylatexenc 2.10."""
    assert latex_to_text(latex) == text


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("2\\sqrt{3}", "3.4641", False),
        ("\\sqrt[3]{2}", "\\sqrt{2}", True),
        ("9901", "\\left(9901\\right)", True),
        ("3:4", "3/4", False),
        ("\\ln 8", "3\\ln 2", False),
        ("\\frac{x}{x-1}", "x/x-1", True),
        ("-3", "−3", False),
    ],
)
def test_prm800k_keeps_the_habits_of_the_original(gold, answer, right):
    """Measured with the original's code."""
    assert _right(gold, answer, "prm800k") is right
