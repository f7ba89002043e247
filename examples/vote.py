"""Self-consistency on a task's problems: `python examples/vote.py MODEL_FOLDER`."""

import sys
from collections import Counter

from mathlm import solve
from mathlm.grading import extract

settings = {"samples": 16, "temperature": 0.7, "max_tokens": 96}
for problem, made in solve("arithmetic-seen", sys.argv[1], limit=3, **settings):
    votes = Counter(extract(completion.text).answer for completion in made)
    print(problem.prompt, votes.most_common(3), "gold:", problem.answer)
