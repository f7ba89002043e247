"""Token stores: a flat file of token ids, where each document starts, and sidecars on the tokens.

Not a tokenizer and not an order of samples. A store is a folder, committed whole:

- `tokens.bin`: ids, little-endian uint16 or uint32, documents one after the other;
- `tokens.idx`: little-endian uint64 [documents + 1, 2]: first token of a document, and the UTF-8
  bytes of text before it; the last row holds the totals;
- `SIDECAR.bin`: one number a token (a loss mask, labels);
- `meta.json`: types, totals, the tokenizer's sha256, what was left out.

The idea of the pair of files: Megatron-LM's indexed dataset. Every document ends with the
end-of-document token, which belongs to it but has no bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mathlm.core.errors import UserError
from mathlm.core.storage import atomic_group, read_json, write_json

FORMAT = "mathlm-tokens-1"


class TokenStore:
    """A store, read through memory maps; cheap to open and to send to another process."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        path = self.directory / "meta.json"
        if not path.is_file():
            raise UserError(f"{self.directory} is no token store: it has no meta.json")
        self.meta: dict[str, Any] = read_json(path)
        if self.meta.get("format") != FORMAT:
            raise UserError(f"{path}: format {self.meta.get('format')!r}, expected {FORMAT!r}")
        self.tokens = _map(self.directory / "tokens.bin", self.meta["dtype"])
        index = _map(self.directory / "tokens.idx", "uint64").reshape(-1, 2)
        self.offsets: NDArray[np.uint64] = index[:, 0]
        """First token of each document, and the end: uint64 [documents + 1]."""
        self._bytes_before = index[:, 1]
        if len(index) != self.num_documents + 1 or len(self.tokens) != self.num_tokens:
            raise UserError(f"{self.directory} does not hold what its meta.json says")

    def __reduce__(self) -> tuple[type[TokenStore], tuple[Path]]:
        return (TokenStore, (self.directory,))

    @property
    def num_tokens(self) -> int:
        """Tokens, end-of-document tokens included."""
        return int(self.meta["num_tokens"])

    @property
    def num_documents(self) -> int:
        """Documents."""
        return int(self.meta["num_documents"])

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the documents' text."""
        return int(self.meta["num_bytes"])

    @property
    def end_id(self) -> int:
        """The id of the token that ends each document."""
        return int(self.meta["end_id"])

    @property
    def document_bytes(self) -> NDArray[np.int64]:
        """UTF-8 bytes of each document's text: int64 [documents]."""
        return np.diff(self._bytes_before).astype(np.int64)

    def document(self, number: int) -> NDArray[np.integer[Any]]:
        """Tokens of one document, its end-of-document token last."""
        if not 0 <= number < self.num_documents:
            raise IndexError(f"document {number} of {self.num_documents}")
        return self.tokens[int(self.offsets[number]) : int(self.offsets[number + 1])]

    def sidecar(self, name: str) -> NDArray[Any]:
        """The numbers of a sidecar, one a token, parallel to `tokens`."""
        if name not in self.meta["sidecars"]:
            raise UserError(f"{self.directory} has no sidecar {name!r}")
        return _map(self.directory / f"{name}.bin", self.meta["sidecars"][name])


def _map(path: Path, dtype: str) -> NDArray[Any]:
    little = np.dtype(dtype).newbyteorder("<")
    if not path.is_file():
        raise UserError(f"{path.parent} lacks {path.name}")
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype=little)
    if path.stat().st_size % little.itemsize:
        raise UserError(f"{path} is torn: its size is no multiple of {little.itemsize}")
    # a plain array over the map: slices of np.memmap are slow to make
    return np.asarray(np.memmap(path, dtype=little, mode="r"))


def _open(stack: contextlib.ExitStack, path: Path) -> IO[bytes]:
    return stack.enter_context(path.open("wb"))


class StoreWriter:
    """Appends documents to the files of one store; made by `write_store`."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack, meta: dict[str, Any]) -> None:
        self._tokens: IO[bytes] = _open(stack, directory / "tokens.bin")
        self._index: IO[bytes] = _open(stack, directory / "tokens.idx")
        self._sidecars = {
            name: _open(stack, directory / f"{name}.bin") for name in meta["sidecars"]
        }
        self.meta = meta
        self._mark()

    def _mark(self) -> None:
        row = np.array([self.meta["num_tokens"], self.meta["num_bytes"]], dtype="<u8")
        self._index.write(row.tobytes())

    def add(self, tokens: ArrayLike, num_bytes: int, **sidecars: ArrayLike) -> None:
        """Append a document: its ids (the end of document is added), bytes, sidecars' numbers.

        A sidecar has one number a token and one more for the end-of-document token.
        """
        ids = np.asarray(tokens)
        self._tokens.write(_bytes_of(ids, self.meta["dtype"]))
        self._tokens.write(_bytes_of([self.meta["end_id"]], self.meta["dtype"]))
        if sidecars.keys() != self._sidecars.keys():
            raise ValueError(f"sidecars {sorted(sidecars)}, expected {sorted(self._sidecars)}")
        for name, values in sidecars.items():
            numbers = np.asarray(values)
            if numbers.shape != (len(ids) + 1,):
                raise ValueError(
                    f"sidecar {name}: {numbers.shape} for {len(ids)} tokens and an end"
                )
            self._sidecars[name].write(_bytes_of(numbers, self.meta["sidecars"][name]))
        self.meta["num_tokens"] += len(ids) + 1
        self.meta["num_bytes"] += num_bytes
        self.meta["num_documents"] += 1
        self._mark()


def _bytes_of(values: ArrayLike, dtype: str) -> bytes:
    array = np.asarray(values)
    little = np.dtype(dtype).newbyteorder("<")
    if array.dtype != little and array.size and np.issubdtype(little, np.integer):
        limits = np.iinfo(little)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(f"{array.min()}..{array.max()} does not fit {dtype}")
    return array.astype(little, copy=False).tobytes()


@contextlib.contextmanager
def write_store(
    directory: str | Path,
    *,
    end_id: int,
    dtype: str = "uint16",
    sidecars: Mapping[str, str] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Iterator[StoreWriter]:
    """A writer whose store appears under `directory` whole when the block ends well.

    `sidecars` maps names to types (`{"loss_mask": "uint8"}`); what the block puts into the
    writer's `meta` is saved with the totals.
    """
    start = {
        "format": FORMAT,
        "dtype": dtype,
        "end_id": end_id,
        "num_tokens": 0,
        "num_documents": 0,
        "num_bytes": 0,
        "sidecars": dict(sidecars or {}),
        **(meta or {}),
    }
    with atomic_group(directory) as part:
        with contextlib.ExitStack() as stack:
            writer = StoreWriter(part, stack, start)
            yield writer
        write_json(part / "meta.json", writer.meta)


def find_stores(tokens: str | Path, split: str) -> dict[str, TokenStore]:
    """Stores of one split in a `tokens` stage's directory, by source, in sorted order."""
    folders = sorted(Path(tokens).glob(f"stores/*.{split}"))
    return {folder.name.removesuffix(f".{split}"): TokenStore(folder) for folder in folders}
