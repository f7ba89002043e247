"""Record a running server for `recorded.py`; needs the server's own software, which tests do not.

    python tests/solving/engines/record_server.py vllm-0.32.0 \
        --url http://127.0.0.1:8000/v1 --model twin --key --how "vllm serve twin …"

The model is the Llama of `twins.py` with its tokenizer and a chat template (`--make FOLDER` writes
it), in GGUF for llama.cpp.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import httpx2 as httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from solving.engines.recorded import FOLDER, SCENES, Recorder, play

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def make(folder: str) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from solving.engines.twins import SIZES, tokenizer

    torch.manual_seed(7)
    sizes = {**SIZES, "hidden_size": 128, "num_attention_heads": 2}  # heads of 64: vLLM's least
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=1))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    model.save_pretrained(folder)
    chatting = tokenizer()
    chatting.chat_template = TEMPLATE
    chatting.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("software", help="name and version: the file's name")
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="twin")
    parser.add_argument("--key", action="store_true", help="the server wants the tests' key")
    parser.add_argument("--how", default="", help="the command that started it")
    parser.add_argument("--make", metavar="FOLDER", help="write the model, record nothing")
    args = parser.parse_args()
    if args.make:
        make(args.make)
        return
    head = {
        "software": args.software, "how": args.how, "base_url": args.url, "model": args.model,
        "key": args.key, "recorded": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }  # fmt: skip
    lines = [head]
    for name in SCENES:
        recorder = Recorder(httpx.AsyncHTTPTransport())
        result = play(head, name, recorder)
        print(f"{name}: {result!r}"[:300])
        lines += [{"scene": name, **line} for line in recorder.lines]
    FOLDER.mkdir(exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (FOLDER / f"{args.software}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
