"""Programs that a model writes, run in the sandbox: `python examples/tool_loop.py MODEL_FOLDER`."""

import asyncio
import sys

from mathlm.models import load_model, load_tokenizer
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.sandbox import Sandbox
from mathlm.solving.services import Services
from mathlm.solving.solvers import SOLVERS
from mathlm.solving.solvers.asking import Asking
from mathlm.tasks import TASKS


async def main(folder: str) -> None:
    task = TASKS["arithmetic-seen"]
    how = Asking("program", task.prompts["program"], 2, Sampling(max_tokens=80))
    engine = LocalEngine(load_model(folder), load_tokenizer(folder))
    async with Sandbox(workers=2) as box:
        services = Services(engine, sandbox=box)
        problems = task.load("test", 5, 0)
        runs = (SOLVERS["program"](problem, 0, services, how=how) for problem in problems)
        for problem, (made, *_) in zip(problems, await asyncio.gather(*runs), strict=True):
            tool = made.segments[-1]
            print(
                problem.prompt, tool.status, tool.variables.get("answer"), "gold:", problem.answer
            )
    engine.close()


asyncio.run(main(sys.argv[1]))
