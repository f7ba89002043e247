"""Self-consistency on a task's problems: `python examples/vote.py MODEL_FOLDER`."""

import asyncio
import sys
from collections import Counter

from mathlm.models import load_model, load_tokenizer
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.services import Services
from mathlm.solving.solvers import SOLVERS
from mathlm.solving.solvers.asking import Asking
from mathlm.tasks import TASKS


async def main(folder: str, samples: int = 16) -> None:
    task = TASKS["arithmetic-seen"]
    how = Asking("vote", task.prompts["cot"], 2, Sampling(max_tokens=80, temperature=0.7))
    services = Services(LocalEngine(load_model(folder), load_tokenizer(folder)))
    for problem in task.load("test", 3, 0):
        runs = [SOLVERS["cot"](problem, k, services, how=how) for k in range(samples)]
        texts = [answers[0].text for answers in await asyncio.gather(*runs)]
        votes = Counter(text.rpartition("The answer is")[2].strip() for text in texts)
        print(problem.prompt, votes.most_common(3), "gold:", problem.answer)
    services.engine.close()


asyncio.run(main(sys.argv[1]))
