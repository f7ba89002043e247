"""Ask a server many things at once: `mathlm serve MODEL`, then `python examples/server.py`."""

import asyncio
import sys

from mathlm.solving.engines.openai import OpenAIEngine
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.protocol import Request, Sampling


async def main(url: str) -> None:
    engine = OpenAIEngine(ServerConfig(base_url=url))
    sampling = Sampling(max_tokens=40, stops=("\n\n",))
    prompts = [f"Problem: What is {n} + {n}?\nSolution:" for n in range(10, 15)]
    made = await asyncio.gather(*(engine.generate(Request(p, sampling=sampling)) for p in prompts))
    for prompt, generation in zip(prompts, made, strict=True):
        print(prompt + generation.text, f"[{generation.finish_reason}]")
    engine.close()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"))
