"""Tiny models of several architectures and a tokenizer, for tests of engines and servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

torch.set_num_threads(1)
SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=1)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=4)),
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES)),
}
WORDS = "the answer is 12 apples and 7 more: (3 + 4) * x = y, so x = 5.\nProblem: Solution: "
SHARED = "Problem: what is 3 + 4?\nSolution: 3 + 4 = 7. The answer is 7.\n\n" * 4


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator([WORDS, SHARED] * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token="<|end|>",
        bos_token="<|end|>",
        clean_up_tokenization_spaces=False,
    )


@cache
def model(name: str) -> Any:
    torch.manual_seed(7)
    made = MODELS[name]().eval()
    with torch.no_grad():  # far from uniform: texts that vary, ties that do not happen
        for parameter in made.parameters():
            if parameter.ndim == 2:
                parameter.mul_(4)
    return made


def ids_of(text: str) -> list[int]:
    return list(tokenizer()(text)["input_ids"])


def forced(name: str, before: Sequence[int], after: Sequence[int]) -> torch.Tensor:
    """Log-probabilities of `after` by one pass over everything."""
    with torch.no_grad():
        logits = model(name)(torch.tensor([[*before, *after]])).logits[0].float()
    rows = torch.log_softmax(logits, -1)[len(before) - 1 : -1]
    return rows.gather(1, torch.tensor(list(after))[:, None])[:, 0]


def theirs(name: str, ids: Sequence[int], tokens: int, **options: Any) -> tuple[int, ...]:
    prompt = torch.tensor([list(ids)])
    out = model(name).generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        **options,
    )
    return tuple(out[0, prompt.shape[1] :].tolist())
