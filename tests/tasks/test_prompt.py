"""Prompts: worked examples, published texts by their sha256, chats, variants by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.tasks import TASKS, Prompt
from mathlm.tasks.prompt import Published, Turn

SHOTS = (("1?", "one"), ("2?", "two"))
OURS = Prompt(SHOTS, "Q: {question}\nA:", " {answer}\n\n", ("\n\n",))
TEXT = "Q: 1 {question\nA: {x} \\frac{1}{2}"


def published(folder: Path, text: str = TEXT, question: str = "\n\nQ: {question}\nA:") -> Prompt:
    (folder / "their.txt").write_bytes(text.encode())
    sha = hashlib.sha256(text.encode()).hexdigest()
    theirs = Published("their.txt", sha, "a/b at c", shots=1, folder=str(folder))
    return Prompt((), question, "", ("Q:",), published=theirs)


def problem(text: str) -> Problem:
    return Problem(id="p", task="t", prompt=text, choices=("x", "{question}"))


def test_a_published_text_stands_byte_for_byte_before_the_question(tmp_path: Path) -> None:
    prompt = published(tmp_path)
    assert prompt.render(problem("{choices}?"), 1) == TEXT + "\n\nQ: {choices}?\nA:"
    assert prompt.examples(1) == TEXT


def test_a_published_text_may_hold_the_questions_place(tmp_path: Path) -> None:
    prompt = published(tmp_path, "Q: 1?\nQ: {question}\n\n# Python:\n", "")
    assert prompt.render(problem("7?"), 1) == "Q: 1?\nQ: 7?\n\n# Python:\n"
    assert prompt.examples(1) == "Q: 1?\nQ: "


def test_a_changed_or_missing_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = published(tmp_path)
    (tmp_path / "their.txt").write_text("other")
    with pytest.raises(UserError, match=r"not the published prompt: its sha256 is d9298a10d1b0"):
        prompt.render(problem("7?"), 1)
    (tmp_path / "their.txt").unlink()
    with pytest.raises(UserError, match="No such file"):
        prompt.render(problem("7?"), 1)
    monkeypatch.delenv("MATHLM_DATA", raising=False)
    with pytest.raises(UserError, match="set MATHLM_DATA"):
        Prompt((), "{question}", "", (), published=Published("a", "b", "c", 1)).examples(1)


@pytest.mark.parametrize("shots", [0, 2])
def test_a_published_text_is_used_whole(tmp_path: Path, shots: int) -> None:
    with pytest.raises(ValueError, match="used whole, with 1"):
        published(tmp_path).render(problem("7?"), shots)


def test_choices_are_written_out() -> None:
    prompt = Prompt((), "{question}\n{choices}\nSolution:", "", ())
    assert prompt.render(problem("1?"), 0) == "1?\n(A) x, (B) {question}\nSolution:"


def test_a_chat_has_a_turn_for_every_shot() -> None:
    prompt = Prompt(SHOTS, "{question} Go.", "", (), chat=True, system="Be brief.")
    assert prompt.messages(problem("3?"), 1) == (
        Turn("system", "Be brief."),
        Turn("user", "1? Go."),
        Turn("assistant", "one"),
        Turn("user", "3? Go."),
    )


@given(st.text(), st.integers(0, 2))
def test_every_prompt_begins_with_its_examples(question: str, shots: int) -> None:
    asked = OURS.render(problem(question), shots)
    assert asked.startswith(OURS.examples(shots))
    assert asked == OURS.examples(shots) + f"Q: {question}\nA:"


def test_variants_are_named_in_the_error() -> None:
    task = TASKS["arithmetic-seen"]
    assert task.prompt("cot") is task.prompts["cot"]
    assert task.variants("cot") == ("default",)
    with pytest.raises(UserError, match="no prompt 'llemma' for cot: there are default"):
        task.prompt("cot", "llemma")
    with pytest.raises(UserError, match="it has prompts for cot, program"):
        task.prompt("tactic")
