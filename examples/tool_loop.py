"""A model that writes programs and reads their output: `python examples/tool_loop.py MODEL`."""

import sys

from mathlm import solve
from mathlm.grading.completions import answer_of

for problem, (made,) in solve("arithmetic-seen", sys.argv[1], kind="tool", limit=5, max_tokens=128):
    print(problem.prompt, made.text, sep="\n")
    print(f"[{made.finish_reason}]", answer_of(problem, made), "gold:", problem.answer, "\n")
