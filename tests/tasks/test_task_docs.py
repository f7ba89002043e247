"""docs/tasks.md says of every task what the task itself says; run this file to print the table."""

from __future__ import annotations

from pathlib import Path

from mathlm.tasks import TASKS, Task

OURS = ("default", "zero-shot", "chat")


def row(task: Task) -> str:
    """A task's line of the table."""
    splits = task.data.splits if task.data is not None else {}
    sizes = ", ".join(
        f"{part.rows:,}{'' if split == 'test' else f' ({split})'}" if part.rows else "yours"
        for split, part in splits.items()
    )
    kinds = dict.fromkeys(key.partition(".")[0] for key in task.prompts)
    prompts = []
    for kind in kinds:
        theirs = [name for name in task.variants(kind) if name not in OURS]
        prompts.append(f"{kind}: {', '.join(theirs)}" if theirs else kind)
    cells = (f"`{task.name}`", sizes or "generated", task.answer_kind, "; ".join(prompts),
             task.source, task.licence)  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table() -> list[str]:
    """The table of docs/tasks.md."""
    head = ["task", "problems", "answer", "published prompts", "source", "licence"]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(row, TASKS.values())]


def test_the_page_has_the_tasks_as_they_are(root: Path) -> None:
    page = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
    section = page.partition("## The tasks\n")[2].partition("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("|")]
    assert shown == table(), "print tests/tasks/test_task_docs.py:table() into docs/tasks.md"


if __name__ == "__main__":
    print("\n".join(table()))
