"""Properties: what must hold for every answer, and what must never be accepted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.grading import grade
from mathlm.grading.clean import clean
from mathlm.grading.extraction import extract
from mathlm.grading.terms import TooLarge
from mathlm.stats import votes_of

NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.tuples(st.integers(-999, 999), st.integers(2, 99)).map(
        lambda p: f"\\frac{{{p[0]}}}{{{p[1]}}}"
    ),
    st.tuples(st.integers(2, 50), st.integers(2, 50)).map(lambda p: f"{p[0]}\\sqrt{{{p[1]}}}"),
)
ANSWERS = st.one_of(
    NUMBERS,
    st.tuples(NUMBERS, NUMBERS).map(lambda p: f"({p[0]}, {p[1]})"),
    st.lists(NUMBERS, min_size=2, max_size=4).map(", ".join),
    st.tuples(st.integers(1, 9), st.integers(-9, 9)).map(lambda p: f"{p[0]}x^2{p[1]:+d}"),
    st.tuples(st.integers(-9, 0), st.integers(1, 9)).map(lambda p: f"[{p[0]}, {p[1]})"),
    st.sampled_from(["Friday", "\\text{even}", "B", "x = 5", "\\pi", "28\\%", "90^\\circ", "3i"]),
)
SYMBOLS = "0123456789+-*/^(){}[]\\frac sqrtx,.$%|<>=πi&_!'\n\ud800°²½"
HOSTILE = st.one_of(st.text(max_size=200), st.text(alphabet=SYMBOLS, max_size=200))


@settings(deadline=None)
@given(ANSWERS)
def test_every_answer_equals_itself(answer):
    assert grade(answer, answer).status == "correct"


@settings(max_examples=300, deadline=None)
@given(ANSWERS, ANSWERS)
def test_equality_is_symmetric(first, second):
    assert grade(first, second).status == grade(second, first).status


@settings(deadline=None)
@given(st.text(alphabet=SYMBOLS, max_size=80))
def test_cleaning_twice_changes_nothing(text):
    try:
        once = clean(text)
    except TooLarge:
        return
    assert clean(once) == once


@settings(max_examples=300, deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(0, 9), st.integers(0, 9))
def test_a_mutated_digit_is_never_accepted(value, place, digit):
    digits = list(str(value))
    index = place % len(digits)
    if digits[index] == "-" or digits[index] == str(digit):
        return
    digits[index] = str(digit)
    mutated = "".join(digits)
    if int(mutated) != value:
        for answer in (mutated, f"The answer is {mutated}.", f"\\boxed{{{mutated}}}"):
            assert grade(str(value), answer).status == "incorrect"


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(2, 10**4), st.integers(1, 9))
def test_a_wrong_fraction_is_never_accepted(top, bottom, shift):
    gold, answer = f"{top}/{bottom}", f"{top + shift}/{bottom}"
    assert grade(gold, answer).status == "incorrect"


@settings(deadline=None)
@given(st.integers(1, 999), st.integers(2, 999).filter(lambda n: n % 2 and n % 5))
def test_a_rounded_decimal_stands_for_its_fraction_and_its_neighbour_does_not(top, bottom):
    if (top / bottom) % 1 == 0:
        return
    rounded = f"{top / bottom:.8f}"
    if len(rounded.replace(".", "").lstrip("0")) < 4:
        return
    assert grade(f"{top}/{bottom}", rounded).status == "correct"
    other = f"{top / bottom + 3e-8:.8f}"
    assert grade(f"{top}/{bottom}", other).status == "incorrect"


@settings(max_examples=400, deadline=None)
@given(HOSTILE, st.sampled_from(["8", "x^2+1", "[0,1)", "B"]))
def test_any_text_gets_a_verdict_that_json_can_hold(text, gold):
    verdict = grade(gold, text)
    assert json.loads(verdict.model_dump_json())["status"] == verdict.status
    extract(text)


@pytest.mark.parametrize(
    "answer",
    [
        "5^(5^(5^5))", "5^{5^{5^{5}}}", "9**9**9**9", "100000!", "(100000!)!", "1e999999999",
        "(" * 3000, "{" * 3000, "\\frac{" * 1000, "1" * 200_000, "\n" * 200_000, " " * 200_000,
        "\\boxed{" * 20_000, "$" * 100_000, "The answer is " * 10_000, "<answer>" * 20_000,
        "x+" * 50_000, "|" * 3000, "1," * 1500, "\\pm" * 1000, "x=y=" * 900,
        "\\binom{100000}{50000}", "\\binom{10^{10}}{10^9}", "e^{e^{e^{e^{e}}}}", "1/0", "0^{-1}",
        "\\sqrt[0]{5}", "2^{1000000}", "\ud800\udfff 5", "\\boxed{\ud800}", "\x00\x01",
        "__import__('os').system('touch /tmp/evaluated')", "\\input{/etc/passwd}", "1 " * 2000,
        "a_{" * 900, "5" + "!" * 3000, "\\begin{pmatrix}" * 300, "(1,2)\\cup" * 300 + "(3,4)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("gold", ["7", "x^2+1", "[0,1)"])
def test_hostile_answers_are_judged_at_once(gold, answer, monkeypatch):
    """None of them needs a worker, and none takes longer than a tenth of the allowed time."""
    import time

    monkeypatch.setattr("mathlm.grading.slow._pool", lambda *_: pytest.fail("a worker was asked"))
    start = time.process_time()
    verdict = grade(gold, answer)
    assert time.process_time() - start < 1.5
    assert verdict.status in ("incorrect", "no_answer", "error")


def test_what_only_sympy_can_read_is_judged_in_a_worker():
    assert grade("1/2", "\\int_0^1 x\\,dx").status == "correct"
    assert grade("1/2", "\\int_0^2 x\\,dx").status == "incorrect"
    assert grade("\\sum_{k=1}^{\\infty} 2^{-k}", "1").rule == "symbolic"


def test_a_formula_that_sympy_cannot_finish_is_a_timeout():
    verdict = grade("7", "\\prod_{k=1}^{10^7} \\sin(k^2)")
    assert verdict.status == "timeout"
    assert verdict.reason == "over 2 s"


@pytest.mark.parametrize(
    "answer",
    ["\\int_0^1 9^{9^{9^9}}dx", "\\sum_{k=1}^{9} 9^{9^9}", "\\int_0^1 (9!)!!dx", "\\lim 9^{99999}"],
)
def test_powers_inside_of_what_only_sympy_reads_are_refused(answer, monkeypatch):
    monkeypatch.setattr("mathlm.grading.slow._pool", lambda *_: pytest.fail("a worker was asked"))
    assert grade("7", answer).rule == "limit"


def test_threads_may_grade_at_once():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda n: grade(str(n), f"\\frac{{{2 * n}}}{{2}}").status, range(200))
        )
    assert set(found) == {"correct"}


def test_votes_of_verdicts_feed_the_majority():
    verdicts = [grade("4", text) for text in ("4", "8/2", "5", "")]
    right = [verdict.status == "correct" for verdict in verdicts]
    assert votes_of([0, 0, 1, None], right).values == (1.0, 0.0)
