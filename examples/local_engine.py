"""Ask a local model several things at once: `python examples/local_engine.py MODEL_FOLDER`."""

import asyncio
import sys

from mathlm.models import load_model, load_tokenizer
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Request, Sampling


async def main(folder: str) -> None:
    engine = LocalEngine(load_model(folder), load_tokenizer(folder))
    sampling = Sampling(max_tokens=40, stops=("\n\n",))
    prompts = [f"Problem: What is {n} + {n}?\nSolution:" for n in range(10, 15)]
    made = await asyncio.gather(*(engine.generate(Request(p, sampling=sampling)) for p in prompts))
    for prompt, generation in zip(prompts, made, strict=True):
        print(prompt + generation.text, f"[{generation.finish_reason}]")
    engine.close()


asyncio.run(main(sys.argv[1]))
