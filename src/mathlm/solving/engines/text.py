"""Tokens to text as they come, and stop strings found exactly, across the borders of tokens.

For byte-level BPE and for SentencePiece-like vocabularies every token stands for fixed bytes;
these are read off the tokenizer once, and the text of a row grows by appending. For any other
tokenizer the row's tokens are decoded anew at each step.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE_MARK = "\u2581"
_UTF8 = codecs.getincrementaldecoder("utf-8")


def _byte_of_character() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's table)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in set(plain)]
    return table | {chr(256 + rank): byte for rank, byte in enumerate(others)}


def _decoder_kind(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    described = repr(getattr(backend, "decoder", None))
    if described.startswith("ByteLevel") or '"ByteLevel"' in described:
        return "bytes"
    return "spaces" if "ByteFallback" in described or "Metaspace" in described else "other"


class TokenText:
    """The bytes of every token of a tokenizer (special tokens are empty), or none at all."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        kind = _decoder_kind(tokenizer)
        self.pieces: list[bytes] | None = None
        if kind != "other":
            self.pieces = self._read_pieces(kind)

    def _read_pieces(self, kind: str) -> list[bytes]:
        tokenizer = self.tokenizer
        number = len(tokenizer)
        special = set(tokenizer.all_special_ids)
        added = {id_: str(token) for id_, token in tokenizer.added_tokens_decoder.items()}
        table = _byte_of_character()
        pieces = []
        for id_, token in enumerate(tokenizer.convert_ids_to_tokens(list(range(number)))):
            if id_ in special or token is None:
                pieces.append(b"")
            elif id_ in added:
                pieces.append(added[id_].encode())
            elif kind == "bytes":
                pieces.append(bytes(table[character] for character in token))
            elif match := _BYTE_TOKEN.fullmatch(token):
                pieces.append(bytes([int(match[1], 16)]))
            else:
                pieces.append(token.replace(_SPACE_MARK, " ").encode())
        return pieces

    def data(self, token_ids: Iterable[int]) -> bytes:
        """The UTF-8 bytes of tokens that follow others (no leading space is dropped)."""
        if self.pieces is None:
            return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True)).encode()
        pieces = self.pieces
        return b"".join(pieces[id_] for id_ in token_ids if id_ < len(pieces))


class TextTail:
    """The text of one growing row, watched for stop strings."""

    def __init__(self, text: TokenText, stops: Sequence[str]) -> None:
        self._text = text
        self._stops = tuple(stop.encode() for stop in stops)
        self._longest = max(map(len, self._stops), default=0)
        self._data = bytearray()
        self._ids: list[int] = []
        self.stop = ""
        """The stop string before which the text was cut."""
        self._shown = 0
        self._decoder = _UTF8("replace")

    def push(self, token_id: int) -> bool:
        """Append a token; True when the text now holds a stop string, before which it is cut.

        Of several it is the one that ends first, whatever the tokens' borders.
        """
        if self._text.pieces is None:
            self._ids.append(token_id)
            before = 0
            self._data = bytearray(self._text.data(self._ids))
        else:
            pieces = self._text.pieces
            piece = pieces[token_id] if token_id < len(pieces) else b""
            before = max(0, len(self._data) - self._longest + 1)
            self._data += piece
        return bool(self._stops) and self._cut(before)

    def _cut(self, start: int) -> bool:
        places = [(self._data.find(stop, start), stop) for stop in self._stops]
        found = [(at + len(stop), at, stop) for at, stop in places if at >= 0]
        if found:
            _, at, stop = min(found)
            del self._data[at:]
            self.stop = stop.decode()
        return bool(found)

    def fresh(self) -> str:
        """Text not handed out before; what may belong to a stop string or a character is held back.

        A tokenizer whose tokens are no fixed bytes may still change what it has: all is held back.
        """
        if self._text.pieces is None:
            return ""
        end = len(self._data) - self._held()
        piece = self._decoder.decode(bytes(self._data[self._shown : end]))
        self._shown = max(self._shown, end)
        return piece

    def _held(self) -> int:
        """Length of the longest end of the text with which a stop string begins."""
        for length in range(min(self._longest - 1, len(self._data)), 0, -1):
            end = bytes(self._data[-length:])
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0

    @property
    def text(self) -> str:
        """The text so far; bytes that are no UTF-8 (a character cut off) become U+FFFD."""
        return self._data.decode("utf-8", errors="replace")
