"""The recall stage: one round of DeepSeekMath's loop (Shao et al., arXiv 2402.03300, section 2.1).

A classifier learnt from seeds scores a pool of documents. Documents above the threshold are hits;
a domain with many of them is proposed as mathematical, and `domains.tsv` lists all domains for a
person to edit. The next round's seeds are the hits and, where a person has said yes to a domain or
a path below it, its other documents; where the word is no, none of it. Proposals alone add nothing:
on Debian's pages three rounds of them made manuals of databases mathematical. The seeds' names are
in `recalled.tsv`, the round's figures in `figures.json`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mathlm.core.errors import UserError
from mathlm.core.progress import Task
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_lines, write_json, write_text
from mathlm.corpus.quality.config import RecallConfig
from mathlm.corpus.quality.linear import load
from mathlm.corpus.quality.scores import score
from mathlm.corpus.quality.stage import RECALLED
from mathlm.corpus.quality.texts import Text, Texts, read_texts

COLUMNS = ("domain", "mathematical", "pages", "hits", "share", "example")
_EXAMPLES = 1
_WORDS = {"yes": True, "y": True, "1": True, "true": True, "no": False, "n": False, "0": False,
          "false": False}  # fmt: skip


class Scored(NamedTuple):
    """One document of the pool."""

    key: str
    where: str
    """Its address without the scheme, or its file's path."""
    domain: str
    score: float


@dataclass
class Domain:
    """What is counted of a domain."""

    pages: int = 0
    hits: int = 0
    example: str = ""
    """The hit with the highest score."""
    best: float = field(default=-1.0, repr=False)

    @property
    def share(self) -> float:
        """Hits among the pages."""
        return self.hits / self.pages


def run(context: StageContext, config: RecallConfig) -> None:
    """Score the pool and write `domains.tsv`, `recalled.tsv` and `figures.json`."""
    classifier = context.input("classifier")
    threshold = config.threshold
    if threshold is None:
        threshold = load(classifier).summary.threshold
    reviewed = read_review(Path(config.reviewed)) if config.reviewed else {}
    pool = read_texts([given.directory for given in context.inputs["documents"]], (), ("text", ""))
    with context.progress.task("recall", None, "documents") as task:
        scored = list(_scored(pool, str(classifier), config, task))
    if not scored:
        raise UserError(f"no documents of {', '.join(config.sources) or 'any source'} to recall")
    domains = count(scored, threshold)
    chosen = {name: _is_proposed(domain, config) for name, domain in domains.items()}
    hits = {one.key for one in scored if one.score >= threshold}
    recalled = [one for one in scored if _is_recalled(one, one.key in hits, reviewed)]
    shown = {name: reviewed.get(name, proposed) for name, proposed in chosen.items()}
    write_text(context.directory / "domains.tsv", table(domains, shown))
    write_text(context.directory / RECALLED, "".join(f"{one.key}\n" for one in recalled))
    before = _before(context)
    figures = {
        "threshold": threshold,
        "documents": len(scored),
        "hits": len(hits),
        "domains": len(domains),
        "mathematical domains": sum(shown.values()),
        "reviewed domains": len(reviewed),
        "recalled": len(recalled),
        "recalled before": sum(one.key in before for one in recalled),
        "without a hit": sum(one.key not in hits for one in recalled),
        "hits by source": dict(Counter(key.partition("\t")[0] for key in sorted(hits))),
    }
    write_json(context.directory / "figures.json", figures)
    context.progress.say(
        f"  {len(recalled)} of {len(scored)} documents recalled, {figures['recalled before']} of"
        f" them known before; review {context.directory / 'domains.tsv'}"
    )


def _scored(pool: Texts, path: str, config: RecallConfig, task: Task) -> Iterator[Scored]:
    for text in pool:
        if config.sources and text.source not in config.sources:
            continue
        task.advance()
        domain, where = place(text, config.depth)
        yield Scored(text.key, where, domain, score(text.text, path))


def place(text: Text, depth: int) -> tuple[str, str]:
    """The domain and the whole place of a document: its URL's host, or the first folders."""
    where = text.url or text.id
    if "://" in where:
        try:
            parts = urlsplit(where)
            host = (parts.hostname or "").removeprefix("www.")
        except ValueError:
            host = ""
        if host:
            return host, f"{host}{parts.path}"
    folders = where.split("/")[:-1]
    return "/".join(folders[:depth]) or text.source, where


def count(scored: Sequence[Scored], threshold: float) -> dict[str, Domain]:
    """Pages and hits of each domain, those with the most hits first."""
    domains: dict[str, Domain] = {}
    for one in scored:
        domain = domains.setdefault(one.domain, Domain())
        domain.pages += 1
        if one.score >= threshold:
            domain.hits += 1
            if one.score > domain.best:
                domain.best, domain.example = one.score, one.where
    return dict(sorted(domains.items(), key=lambda item: (-item[1].hits, item[0])))


def _is_proposed(domain: Domain, config: RecallConfig) -> bool:
    return domain.pages >= config.min_pages and domain.share > config.min_share


def _is_recalled(one: Scored, hit: bool, reviewed: Mapping[str, bool]) -> bool:
    """A person's word on the longest path that fits counts, then whether it is a hit."""
    path = one.where if one.where.startswith(one.domain) else f"{one.domain}/{one.where}"
    while path:
        if path in reviewed:
            return reviewed[path]
        path = path.rpartition("/")[0]
    return hit


def table(domains: Mapping[str, Domain], mathematical: Mapping[str, bool]) -> str:
    """`domains.tsv`: a row for each domain, to be read and edited by a person."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, domain in domains.items():
        word = "yes" if mathematical[name] else "no"
        row = (name, word, domain.pages, domain.hits, f"{domain.share:.3f}", domain.example)
        writer.writerow([str(cell).replace("\t", " ").replace("\n", " ") for cell in row])
    return out.getvalue()


def read_review(path: Path) -> dict[str, bool]:
    """Domains (or paths below them) and whether they are mathematical; only that is read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the reviewed domains {path}: {error}") from None
    rows = list(csv.reader(io.StringIO(text), delimiter="\t"))
    if not rows or rows[0][:2] != list(COLUMNS[:2]):
        raise UserError(f"{path} must begin with the columns {' and '.join(COLUMNS[:2])}")
    found: dict[str, bool] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row or not row[0].strip():
            continue
        word = row[1].strip().lower() if len(row) > 1 else ""
        if word not in _WORDS:
            raise UserError(f"{path}, line {number}: mathematical is 'yes' or 'no', not {word!r}")
        found[row[0].strip().rstrip("/")] = _WORDS[word]
    return found


def _before(context: StageContext) -> set[str]:
    """What the round before recalled."""
    given = context.inputs.get("before", ())
    return {line.decode() for one in given for _, line in read_lines(one.directory / RECALLED)}
