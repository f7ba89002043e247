"""Settings of the `tokens` stage: which tokenizer, which documents; numbers only, no work."""

from __future__ import annotations

from pydantic import Field

from mathlm.core.stage import StageConfig, neutral


class TokensConfig(StageConfig):
    """Train or take a tokenizer, and turn documents into token stores."""

    tokenizer: str | None = None
    """An existing tokenizer: a folder, a `tokenizer.json` or a Hugging Face id; None trains one."""
    vocab_size: int = Field(4096, ge=260, le=2**24)
    """Entries of a trained tokenizer, special tokens and the 256 bytes included."""
    train_on: tuple[str, ...] = ()
    """Sources whose `train` split trains the tokenizer (the base diet); empty = all sources."""
    train_bytes: int = Field(100_000_000, ge=1)
    """UTF-8 bytes of text that train the tokenizer, in equal caps over `train_on`; documents of a
    source above its cap are thinned by a hash of their place."""
    min_frequency: int = Field(2, ge=1)
    """Occurrences that a pair of tokens needs to be merged."""
    extra_special_tokens: tuple[str, ...] = ()
    """More special tokens of a trained tokenizer (turns of a conversation, say)."""
    end_of_document: str | None = None
    """The token put after each document; None = the tokenizer's end-of-sequence token."""
    sources: tuple[str, ...] = ()
    """Sources to turn into stores; empty = all that are there."""
    files: dict[str, str] = Field(default_factory=dict)
    """Documents outside a corpus stage: `SOURCE` or `SOURCE.SPLIT` to a path, glob or URL of
    Parquet or JSONL (`.gz`, `.zst`) files; the split is `train` unless given."""
    text_column: str = "text"
    """Column (Parquet) or key (JSONL) that holds the text."""
    download: bool = neutral(False)
    """Whether `tokenizer` may be fetched from the Hugging Face hub."""
    batch_chars: int = neutral(4 << 20, ge=1)
    """Characters of text encoded at once, over all threads; memory is about 40 bytes each."""


def expect(config: TokensConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    if config.tokenizer is None:
        diet = ", ".join(config.train_on) or "all sources"
        megabytes = config.train_bytes / 1e6
        first = f"train a BPE tokenizer of {config.vocab_size} entries on {diet}"
        first += f" (at most {megabytes:.0f} MB, about {max(1, round(megabytes / 5))} s)"
    else:
        first = f"take the tokenizer {config.tokenizer}"
    stores = ", ".join(config.sources) or "every source"
    return f"{first}; tokenise {stores} at 1-2 MB/s a core into 2 or 4 bytes a token"
