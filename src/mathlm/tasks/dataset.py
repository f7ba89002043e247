"""A benchmark's data: known files by their checksum, the user's own, or the Hub's copy.

Not here: how a file is read (`rows`), what a task's rows mean (its own file). Nothing of a
benchmark is part of mathlm. A file that is not the known one is refused, because a wrong or cut
file would look like a strong or a weak model; `check = False` takes it as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from mathlm.core.environment import data_folder
from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.tasks.rows import Row, parse_rows, read_bytes

Split = Literal["train", "dev", "test"]
State = Literal["known", "same problems", "hub", "unchecked", "generated"]
FOLDER = "benchmarks"
_CONVERTED = "refs/convert/parquet"
"""The Hub's branch with every data set as Parquet: CONFIG/SPLIT/0000.parquet."""


@dataclass(frozen=True)
class Where:
    """Where a task's data may be found, as the user says."""

    data: str | None = None
    """A file, or a folder laid out as `MATHLM_DATA`/benchmarks; None: `MATHLM_DATA`."""
    check: bool = True
    """Refuse data that are not the known ones; False: take them as they are."""
    download: bool = False
    """Ask the Hub for data that are nowhere else."""


ANYWHERE = Where()


@dataclass(frozen=True)
class DataFile:
    """A known file, below the benchmarks' folder."""

    path: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class HubFile:
    """The same data in a data set of the Hugging Face Hub."""

    repository: str
    file: str
    revision: str = _CONVERTED

    @property
    def url(self) -> str:
        """As fsspec writes it."""
        return f"hf://datasets/{self.repository}@{self.revision}/{self.file}"


@dataclass(frozen=True)
class Part:
    """The data of one split."""

    rows: int
    """Problems in it."""
    files: tuple[DataFile, ...] = ()
    digest: str = ""
    """`digest_of` its problems: the same whatever the file's form; empty: anything is taken."""
    hub: tuple[HubFile, ...] = ()


@dataclass(frozen=True)
class Found:
    """The problems of a split, where they came from and whether they are the known ones."""

    problems: tuple[Problem, ...]
    places: tuple[str, ...]
    state: State
    """`known`: the known bytes; `same problems`: in another form; `hub`: the Hub's copy, whose
    text differs; `unchecked`: the user's own; `generated`: from no file."""
    sha256: str
    """Of the files' bytes, in their order."""


Rows = Sequence[Row]


def _all(files: Sequence[Rows]) -> Rows:
    return list(itertools.chain.from_iterable(files))


@dataclass(frozen=True)
class DataSet:
    """The splits of a benchmark and how a row becomes a problem."""

    task: str
    splits: Mapping[Split, Part]
    problem: Callable[[Row, str], Problem]
    """A row and its number (from 0, as text) → the problem; KeyError for a missing column."""
    columns: tuple[str, ...]
    """The columns that a file of the user's needs."""
    header: tuple[str, ...] = ()
    """Columns of CSV files that do not name them."""
    join: Callable[[Sequence[Rows]], Rows] = field(default=_all)
    """The rows of several files as one list."""

    def find(self, split: Split, where: Where = ANYWHERE) -> Found:
        """The split's problems and where they lie.

        Raises UserError where there are no data, they cannot be read, or they are not the known
        ones (unless `where.check` is false).
        """
        if split not in self.splits:
            there = ", ".join(self.splits)
            raise UserError(f"task '{self.task}' has no split '{split}' (it has {there})")
        part = self.splits[split]
        places, from_hub = self._places(split, where)
        contents = [read_bytes(place) for place in places]
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        whole = digests[0] if len(digests) == 1 else _sha256("".join(digests))
        known = bool(part.files) and digests == [file.sha256 for file in part.files]
        try:
            rows = [
                parse_rows(place, content, self.header)
                for place, content in zip(places, contents, strict=True)
            ]
            problems = tuple(self._problems(self.join(rows), places))
        except UserError as error:
            if known or not part.digest:
                raise
            raise UserError(f"{error}; {self._expected(part)}") from None
        if not problems:
            raise UserError(f"{', '.join(places)}: no problem in it; {self._expected(part)}")
        state: State = "unchecked"
        if known:
            state = "known"
        elif part.digest and digest_of(problems) == part.digest:
            state = "same problems"
        elif part.digest and where.check:
            if not from_hub or len(problems) != part.rows:
                raise UserError(self._refusal(places, len(problems), whole, part))
            state = "hub"
        elif part.rows and where.check and len(problems) != part.rows:
            raise UserError(self._refusal(places, len(problems), whole, part))
        return Found(problems, tuple(places), state, whole)

    def draw(self, found: Found, split: Split, limit: int | None, seed: int) -> Found:
        """At most `limit` of the problems, in the file's order, drawn evenly.

        A larger limit keeps what a smaller one drew.
        """
        if limit is None or limit >= len(found.problems):
            return found
        order = list(range(len(found.problems)))
        random.Random(f"{self.task} {split} {seed}").shuffle(order)
        kept = tuple(found.problems[index] for index in sorted(order[:limit]))
        return replace(found, problems=kept)

    def _problems(self, rows: Rows, places: Sequence[str]) -> Iterator[Problem]:
        """The rows as problems; a row that is none is named."""
        seen: set[str] = set()
        for number, row in enumerate(rows):
            try:
                problem = self.problem(row, str(number))
                if not problem.prompt.strip() or not problem.answer:
                    raise ValueError("no question or no answer in it")
            except KeyError as error:
                raise UserError(
                    f"{', '.join(places)}, row {number + 1}: no column {error}; task '{self.task}'"
                    f" reads {', '.join(self.columns)}"
                ) from None
            except (ValueError, TypeError, AttributeError, IndexError) as error:
                raise UserError(f"{', '.join(places)}, row {number + 1}: {error}") from None
            if problem.id in seen:
                raise UserError(f"{', '.join(places)}, row {number + 1}: id {problem.id} twice")
            seen.add(problem.id)
            yield problem.model_copy(update={"task": self.task})

    def _places(self, split: Split, where: Where) -> tuple[list[str], bool]:
        """Files or URLs of a split, and whether they are the Hub's."""
        part = self.splits[split]
        if where.data is not None and not Path(where.data).is_dir():
            return [where.data], False
        top = Path(where.data) if where.data is not None else data_folder()
        for root in [top / FOLDER, top] if top else []:
            paths = [root / file.path for file in part.files]
            if paths and all(path.is_file() for path in paths):
                return [str(path) for path in paths], False
            named = [root / f"{self.task}{ending}" for ending in _ENDINGS]
            if found := [path for path in named if split == "test" and path.is_file()]:
                return [str(found[0])], False
        if where.data is None and (cached := _from_hub(part.hub, download=where.download)):
            return cached, True
        raise UserError(self._missing(split, where))

    def _missing(self, split: Split, where: Where) -> str:
        part = self.splits[split]
        path = part.files[0].path if part.files else f"{self.task}.jsonl"
        there = f"{where.data} has no {path}" if where.data else "they are not part of mathlm"
        ways = [f"set MATHLM_DATA to a folder with {FOLDER}/{path}"]
        ways += [f"give data = PATH (a file with the columns {', '.join(self.columns)})"]
        if part.hub and where.data is None:
            ways += [f"allow the download (download=true, {part.hub[0].repository} on the Hub)"]
        return f"no data for task '{self.task}' ({split}), {there}: {'; or '.join(ways)}"

    def _refusal(self, places: Sequence[str], rows: int, sha256: str, part: Part) -> str:
        what = "cut short" if rows < part.rows else "another file"
        return (
            f"{', '.join(places)}: {rows:,} problems, sha256 {sha256[:12]}…: {what};"
            f" {self._expected(part)}"
        )

    def _expected(self, part: Part) -> str:
        size = f", {sum(f.size for f in part.files):,} bytes" if part.files else ""
        known = part.files[0].sha256 if len(part.files) == 1 else ""
        return (
            f"task '{self.task}' has {part.rows:,} problems{size}"
            + (f", sha256 {known[:12]}…" if known else "")
            + " (check_data = false takes the data as they are)"
        )


_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".json", ".csv")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(problems: Sequence[Problem]) -> str:
    """A digest of questions, choices and answers, whatever their order and the file's form."""
    parts = sorted(_sha256(json.dumps([p.prompt, p.choices, p.answer])) for p in problems)
    return _sha256("".join(parts))[:16]


def _from_hub(files: Sequence[HubFile], *, download: bool) -> list[str]:
    """Local paths of the Hub's files: from its cache, downloaded where that is allowed."""
    if not files:
        return []
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        if download:
            raise UserError("a download needs pip install huggingface_hub") from None
        return []
    paths = []
    for file in files:
        try:
            paths.append(
                hf_hub_download(
                    file.repository,
                    file.file,
                    repo_type="dataset",
                    revision=file.revision,
                    local_files_only=not download,
                )
            )
        except (OSError, ValueError) as error:  # no cached copy, no network, no such file
            if download:
                reason = str(error).strip().split("\n")[0]
                raise UserError(f"cannot download {file.url}: {reason}") from None
            return []
    return paths


def number_text(value: object) -> str:
    """A numeric gold answer as text: `145.0` is 145, other numbers as the file has them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    text = str(value).strip()
    return text.removesuffix(".0") if text.removesuffix(".0").lstrip("-").isdigit() else text


def letter(value: object) -> str:
    """A choice's letter, given as a letter or as its index from 0."""
    text = "ABCDEFGHIJ"[value] if isinstance(value, int) else str(value).strip().strip("()")
    if len(text) != 1 or not "A" <= text <= "J":
        raise ValueError(f"'{value}' is no choice")
    return text
