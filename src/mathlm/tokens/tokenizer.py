r"""The tokenizer: trained here (byte-level BPE, digits apart) or taken from a folder or the Hub.

Not a wrapper around transformers, which is not imported: what is saved is the layout that its
`AutoTokenizer` reads. Byte-level BPE: Radford et al. 2019 (GPT-2), so that nothing is unknown and
decoding is exact; one digit a token: Llama (2302.13971, section 2.1), for arithmetic.

The split before merging is made for mathematics: a LaTeX command (`\frac`) or an escaped sign
(`\{`) is one piece with its backslash, and a line's indentation goes with its line break (code).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mathlm.core.errors import UserError
from mathlm.core.storage import atomic_group, sha256_of, write_json

END_OF_DOCUMENT = "</s>"
PADDING = "<pad>"
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
"""Files of a tokenizer folder that belong with a model; only the first is always there."""

LONG = 1 << 19
"""Characters of a text above which it is encoded in parts."""
_AT_ONCE = 8
_CUT = re.compile(r"(?<=[^\W\d_])(?=\s)")

_PIECES = "|".join(
    (
        r" ?\\(?:\p{L}+|[^\s\p{L}\p{N}])?",  # a LaTeX command, an escaped sign, a lone backslash
        r" ?[\p{L}\p{M}]+",  # a word
        r"\p{N}",  # one digit
        r"[\r\n]+[ \t]*",  # line breaks with the next line's indentation
        r" ?[^\s\p{L}\p{M}\p{N}\\]+",  # signs
        r"\s+(?!\S)|\s+",  # spaces, the last one left to what follows
    )
)


@dataclass(frozen=True)
class TextTokenizer:
    """A loaded tokenizer for plain text: nothing in a text is ever read as a special token."""

    backend: Any
    end_of_document: str
    sha256: str
    """Of its `tokenizer.json`."""

    @cached_property
    def end_id(self) -> int:
        """The id of the end-of-document token."""
        return int(self.backend.token_to_id(self.end_of_document))

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest id (ids may have gaps)."""
        return 1 + max(int(id) for id in self.backend.get_vocab(with_added_tokens=True).values())

    @property
    def dtype(self) -> str:
        """The narrowest stored type that holds every id."""
        return "uint16" if self.vocab_size <= 1 << 16 else "uint32"

    @cached_property
    def cuttable(self) -> bool:
        """Whether a text may be encoded in parts that begin at a space after a letter.

        So it is where words never hold the space after them and nothing is put before a text
        (GPT-2's, Llama 3's, Qwen's and our split; not SentencePiece's). Tried, not looked up.
        """
        parts = ("word", " next", "\nline", "  two", "\n\n- é", " é")
        whole = self._encode(["".join(parts)])[0].tolist()
        return bool(whole == [int(i) for ids in self._encode(parts) for i in ids])

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.integer[Any]]]:
        """Ids of each text, without special tokens, computed on all threads.

        Long texts are encoded in parts where that gives the same ids: encoding one text at once
        takes about 130 bytes a character.
        """
        if max(map(len, texts), default=0) <= LONG or not self.cuttable:
            return self._encode(texts)
        return [self._encode_parts(text) for text in texts]

    def _encode_parts(self, text: str) -> NDArray[np.integer[Any]]:
        parts = cut(text, LONG)
        found = [self._encode(parts[i : i + _AT_ONCE]) for i in range(0, len(parts), _AT_ONCE)]
        return np.concatenate([ids for group in found for ids in group])

    def _encode(self, texts: Sequence[str]) -> list[NDArray[np.integer[Any]]]:
        encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=self.dtype) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens are shown."""
        return str(self.backend.decode(list(ids), skip_special_tokens=False))


def keep_forks_quiet() -> None:
    """Tell `tokenizers` that its threads are wanted.

    Without a word from us it warns at every fork after a parallel call. The setting is in the
    environment because the library reads nothing else; one that the user made is left alone.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: int,
    min_frequency: int = 2,
    extra_special_tokens: Sequence[str] = (),
) -> Any:
    """A trained `tokenizers.Tokenizer`; the same texts give the same bytes on any thread count."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    keep_forks_quiet()
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[END_OF_DOCUMENT, PADDING, *extra_special_tokens],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_clean(texts), trainer)
    return backend


def _clean(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield replace_surrogates(text)


def cut(text: str, size: int) -> list[str]:
    """Parts of a text of about `size` characters, each beginning at a space after a letter."""
    parts, start = [], 0
    while match := _CUT.search(text, start + size):
        parts.append(text[start : match.start()])
        start = match.start()
    return [*parts, text[start:]]


def replace_surrogates(text: str) -> str:
    """The text with every lone surrogate (which UTF-8 cannot hold) replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


def save(backend: Any, directory: Path, *, extra_special_tokens: Sequence[str] = ()) -> None:
    """Write a trained tokenizer as a folder that transformers' `AutoTokenizer` loads.

    Beginning and end of sequence are one token, as in GPT-2: documents are separated by it, so it
    is also what a text begins after; a second token would never be trained.
    """
    special = {
        "bos_token": END_OF_DOCUMENT,
        "eos_token": END_OF_DOCUMENT,
        "pad_token": PADDING,
        "additional_special_tokens": list(extra_special_tokens),
    }
    settings = _settings(special)
    with atomic_group(directory) as part:
        backend.save(str(part / "tokenizer.json"), pretty=True)
        write_json(part / "tokenizer_config.json", settings)
        write_json(part / "special_tokens_map.json", special)


def _settings(special: dict[str, Any]) -> dict[str, Any]:
    """What `tokenizer_config.json` says: nothing added to a text, nothing tidied in decoding."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000,
        **special,
    }


def take(
    name: str, directory: Path, *, end_of_document: str | None = None, download: bool = False
) -> None:
    """Copy an existing tokenizer's files (folder, `tokenizer.json` or Hub id) to `directory`.

    A bare `tokenizer.json` gets settings that name its end-of-sequence token. Nothing is left
    behind where the tokenizer turns out to be unusable.
    """
    origin = Path(name)
    if origin.is_dir():
        paths = [origin / file for file in FILES if (origin / file).is_file()]
    elif not origin.is_file():
        paths = _from_hub(name, download=download)
    with atomic_group(directory, {"origin": name}) as part:
        if origin.is_file():
            shutil.copyfile(origin, part / "tokenizer.json")
        else:
            for path in paths:
                shutil.copyfile(path, part / path.name)
        if not (part / "tokenizer.json").is_file():
            raise UserError(
                f"{name} has no tokenizer.json; write one with transformers: "
                f"AutoTokenizer.from_pretrained({name!r}).save_pretrained(FOLDER)"
            )
        loaded = load(part, end_of_document=end_of_document)
        if not (part / "tokenizer_config.json").is_file():
            settings = _settings({"eos_token": loaded.end_of_document})
            write_json(part / "tokenizer_config.json", settings)


def _from_hub(name: str, *, download: bool) -> list[Path]:
    """A tokenizer's files in the local cache, fetched into it first where that is allowed."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    found = []
    reason = "it has no tokenizer.json" if download else "allow the download (download=true)"
    for file in FILES:
        try:
            found.append(Path(hf_hub_download(name, file, local_files_only=not download)))
        except EntryNotFoundError:
            continue  # not in this repository, or not in the cache
        except (OSError, ValueError) as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            break
    if not any(path.name == "tokenizer.json" for path in found):
        raise UserError(
            f"tokenizer {name!r} is no path and not in the Hugging Face cache: {reason}"
        )
    return found


def load(directory: str | Path, *, end_of_document: str | None = None) -> TextTokenizer:
    """The tokenizer of a folder, ready for plain text.

    Truncation and padding that its file may ask for are switched off. An end-of-document token
    that the vocabulary lacks is refused: GPT-NeoX silently put `<unk>` there (gpt-neox PR 841).
    """
    from tokenizers import Tokenizer

    keep_forks_quiet()
    path = Path(directory) / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{directory} has no tokenizer.json")
    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 (the library raises bare Exception for a bad file)
        raise UserError(f"{path} is no tokenizer: {error}") from None
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    end = end_of_document or end_of_sequence(Path(directory)) or END_OF_DOCUMENT
    if backend.token_to_id(end) is None:
        raise UserError(f"{path} has no token {end!r}: name one with end_of_document")
    return TextTokenizer(backend, end, sha256_of(path))


def end_of_sequence(directory: Path) -> str | None:
    """What the tokenizer's settings call its end-of-sequence token."""
    path = directory / "tokenizer_config.json"
    if not path.is_file():
        return None
    try:
        token = json.loads(path.read_text(encoding="utf-8")).get("eos_token")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a JSON object: {error}") from None
    return token.get("content") if isinstance(token, dict) else token
