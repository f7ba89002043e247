"""Tokens to text against the tokenizers' own decoding; stop strings against `str.find`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mathlm.solving.engines.text import TextTail, TokenText

TEXT = [
    "Problem: Ann has 12 apples and buys 7 more.\nSolution: 12 + 7 = 19. The answer is 19.\n\n",
    "x² ≤ √2·π — «naïve» 数学 \U0001f600 def solution():\n    return 42\n",
]


def byte_level() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def sentence_piece() -> PreTrainedTokenizerFast:
    """The shape of Llama 2's tokenizer: spaces as U+2581, unknown characters as bytes."""
    tokens = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += ["\u2581", *sorted(set(TEXT[0]) - {" "}), "\u2581a", "an", "\u2581an"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [("\u2581", "a"), ("a", "n"), ("\u2581a", "n")]
    model = models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def word_piece() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens have no bytes of their own."""
    words = sorted({word for text in TEXT for word in text.split()})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "[END]", *words, "##s"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="[END]")


TOKENIZERS: dict[str, Any] = {
    "bytes": byte_level(),
    "spaces": sentence_piece(),
    "words": word_piece(),
}


def grown(text: TokenText, ids: list[int], stops: tuple[str, ...] = ()) -> tuple[str, int]:
    """The text of a row and the number of tokens at which it stopped (all of them if not)."""
    tail = TextTail(text, stops)
    for number, id_ in enumerate(ids, 1):
        if tail.push(id_):
            return tail.text, number
    return tail.text, len(ids)


def test_which_tokenizers_have_bytes_of_their_own() -> None:
    known = {name: TokenText(t).pieces is not None for name, t in TOKENIZERS.items()}
    assert known == {"bytes": True, "spaces": True, "words": False}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_growing_text_is_the_decoded_text(data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(TOKENIZERS)))
    tokenizer = TOKENIZERS[name]
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=12))
    if name == "spaces":  # their decoder drops one leading space and unjoined bytes differ
        ids = [id_ for id_ in ids if not 2 <= id_ < 258]
        expected = tokenizer.decode([*tokenizer.encode("a"), *ids], skip_special_tokens=True)[1:]
    else:
        expected = tokenizer.decode(ids, skip_special_tokens=True)
    assert grown(TokenText(tokenizer), ids)[0] == expected


@pytest.mark.parametrize("name", ["bytes", "spaces"])
@pytest.mark.parametrize("text", [*TEXT, "\U0001f600\U0001f600", " a  b\n\n\n"])
def test_round_trip(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]
    ids = tokenizer.encode(text)
    expected = " " + text if name == "spaces" else text
    assert grown(TokenText(tokenizer), ids)[0] == expected


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_stop_is_found_wherever_tokens_end(data: Any) -> None:
    tokenizer = TOKENIZERS["bytes"]
    source = data.draw(st.sampled_from(TEXT))
    start = data.draw(st.integers(0, len(source) - 2))
    length = data.draw(st.integers(1, 6))
    stop = source[start : start + length]
    other = data.draw(st.sampled_from(["\x00never", "19", "\n"]))
    ids = tokenizer.encode(source)
    text, number = grown(TokenText(tokenizer), ids, (stop, other))
    places = [(source.find(s) + len(s), source.find(s)) for s in (stop, other) if s in source]
    assert text == source[: min(places)[1]], "before the stop that is complete first"
    before = tokenizer.decode(ids[: number - 1])
    assert stop not in before and other not in before, "it stops at the first token that shows it"


def test_bytes_cut_off_within_a_character_do_not_raise() -> None:
    tokenizer = TOKENIZERS["bytes"]
    ids = tokenizer.encode("\U0001f600")
    assert len(ids) > 1
    assert grown(TokenText(tokenizer), ids[:-1])[0] == "\ufffd"


def test_ids_beyond_the_vocabulary_have_no_text() -> None:
    tokenizer = TOKENIZERS["bytes"]
    assert grown(TokenText(tokenizer), [len(tokenizer) + 5])[0] == ""
