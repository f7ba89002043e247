"""One file a benchmark: its data, prompt and kind of answer."""

from __future__ import annotations

from mathlm.tasks.arithmetic import ARITHMETIC_SEEN, ARITHMETIC_UNSEEN
from mathlm.tasks.prompt import Prompt as Prompt
from mathlm.tasks.task import Task as Task
from mathlm.tasks.task import Where as Where

TASKS: dict[str, Task] = {task.name: task for task in (ARITHMETIC_SEEN, ARITHMETIC_UNSEEN)}
"""Every benchmark by the name that recipes and commands use."""
