"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing under `--quiet`.

Bars appear for work that lasts over two seconds; plain lines come at most every ten seconds.
Everything goes to stderr: stdout belongs to results.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BAR_AFTER_S = 2.0
_LINE_EVERY_S = 10.0


@dataclass
class Task:
    """One piece of counted work; `advance` it as items finish."""

    label: str
    total: int | None
    unit: str
    show: Callable[[Task], None]
    done: int = 0
    note: str = ""

    def advance(self, number: int = 1, note: str | None = None) -> None:
        """Count `number` more items as done; `note` is a short text beside the count."""
        self.done += number
        if note is not None:
            self.note = note
        self.show(self)

    def text(self) -> str:
        """The task as a plain line."""
        total = f"/{self.total}" if self.total is not None else ""
        note = f"  {self.note}" if self.note else ""
        return f"{self.label}: {self.done}{total} {self.unit}{note}"


class Progress:
    """Where the commands' progress goes; hand it down, never make a second one."""

    def __init__(self, *, quiet: bool = False, terminal: bool | None = None) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() if terminal is None else terminal

    def say(self, text: str) -> None:
        """One line for the user, unless quiet."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "items") -> Iterator[Task]:
        """Show a piece of work while the block runs."""
        if self._quiet:
            yield Task(label, total, unit, lambda task: None)
        elif self._terminal:
            yield from self._bar(label, total, unit)
        else:
            yield from self._lines(label, total, unit)

    def _lines(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        start = last = time.monotonic()

        def show(task: Task) -> None:
            nonlocal last
            now = time.monotonic()
            if now - start > _BAR_AFTER_S and now - last > _LINE_EVERY_S:
                last = now
                self.say(f"  {task.text()}")

        task = Task(label, total, unit, show)
        yield task
        if time.monotonic() - start > _BAR_AFTER_S:
            self.say(f"  {task.text()}  ({time.monotonic() - start:.1f} s)")

    def _bar(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        from rich import progress as bars
        from rich.console import Console

        columns = (
            bars.TextColumn("  {task.description}"),
            bars.BarColumn(bar_width=30),
            bars.MofNCompleteColumn(),
            bars.TextColumn(unit),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}"),
        )
        start = time.monotonic()
        bar = bars.Progress(*columns, console=Console(stderr=True), transient=True)
        identifier = bar.add_task(label, total=total, note="")
        started = False

        def show(task: Task) -> None:
            nonlocal started
            if not started and time.monotonic() - start > _BAR_AFTER_S:
                started = True
                bar.start()
            bar.update(identifier, completed=task.done, note=task.note)

        task = Task(label, total, unit, show)
        try:
            yield task
        finally:
            if started:
                bar.stop()
        if started:
            self.say(f"  {task.text()}  ({time.monotonic() - start:.1f} s)")
