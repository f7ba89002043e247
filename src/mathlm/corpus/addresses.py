"""What a page's address says of it: search results, user pages, sites of other people's PDFs.

`default` rules are ours and match whole parts of an address: OpenWebMath's match anywhere, so
that `/search` drops `/searching-a-sorted-list` and `issn` drops `dissnet.org`. `paper` has its
rules from `filtering/filter_dataset.py`; its list of substrings is read from that file where the
user has it. Two commas are missing there, so that three entries are one: `paper` leaves them so.
Not here: spelling of addresses for duplicates (`urls.py`).
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from typing import Literal
from urllib.parse import urlsplit

from mathlm.core.errors import UserError
from mathlm.corpus import lists

Mode = Literal["default", "paper"]

_SEGMENTS = {
    "search results": {"search", "searchresults", "search-results", "suche", "recherche"},
    "log-in page": {"login", "signin", "sign-in", "signup", "register", "logout", "password"},
    "user page": {"users", "user", "profile", "profiles", "author", "authors", "members"},
    "shop page": {"cart", "checkout", "wishlist", "basket"},
    "list of publications": {"bibtex", "bibbase", "all_publications"},
}
_HOSTS = {
    "arxiv copy": ("arxiv-vanity.com", "arxiv-export.org", "export.arxiv.org"),
    "document sharing": (
        "scribd.com", "issuu.com", "docplayer.net", "studylib.net", "manualzz.com", "dokumen.pub",
        "vdoc.pub", "slideshare.net", "coursehero.com", "academia.edu", "researchgate.net",
    ),
}  # fmt: skip
_SEARCH = re.compile(r"(?:^|&)(?:q|query|search|s|keyword)=[^&]", re.IGNORECASE)
_REPEAT = re.compile(r"(?:^|&)(?:replytocom|print|action=edit|sort|order|share)=", re.IGNORECASE)
_MAX_CHARACTERS = 4096

_PAPER_SUBSTRINGS = (
    "arxiv-vanity", "proceedings", "bibbase", "nrsworld.com", "bibtex", "issn", "arxiv-export",
    "bmjopen", "stackexchange.com/users", "mathoverflow.net/users",
)  # fmt: skip
_LIBRETEXTS = ("math", "phys", "stats")


def bad_address(url: str, mode: Mode = "default") -> str | None:
    """What the rules say against the address, or None."""
    if mode == "paper":
        if "/search" in url and "//search" not in url:
            return "/search"
        return next((part for part in _PAPER_SUBSTRINGS if part in url), None)
    url = url[:_MAX_CHARACTERS]
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    for reason, hosts in _HOSTS.items():
        if any(host == h or host.endswith(f".{h}") for h in hosts):
            return reason
    segments = [segment.lower() for segment in parts.path.split("/") if segment]
    # What ends a longer path may be a page about the word: `/wiki/Search`.
    named = segments[:-1] or segments
    for reason, names in _SEGMENTS.items():
        if not names.isdisjoint(named):
            return reason
    if _SEARCH.search(parts.query) and not _is_thread(parts.query):
        return "search results"
    return "variant of a page" if _REPEAT.search(parts.query) else None


def _is_thread(query: str) -> bool:
    """Forums put the thread's number beside words that were searched for."""
    return any(f"{name}=" in query for name in ("t", "p", "topic", "thread", "id"))


def off_topic_libretexts(url: str, formulas: int) -> bool:
    """LibreTexts outside mathematics, physics and statistics, without a formula (OpenWebMath)."""
    return "libretexts" in url and not any(name in url for name in _LIBRETEXTS) and formulas == 0


def listed(url: str, path: str, sha256: str | None = None, mode: Mode = "default") -> str | None:
    """The first substring of the user's list that stands in the address, or None."""
    return next((part for part in read_list(path, sha256, mode) if part in url), None)


@functools.lru_cache(maxsize=4)
def read_list(path: str, sha256: str | None = None, mode: Mode = "default") -> tuple[str, ...]:
    """Substrings of a list: lines of a text file (`#` begins a comment), or `BAD_URLS` of a `.py`.

    The Python file is parsed, never run; strings between which a comma is missing are one entry in
    paper mode, as in Python. `UserError` where the file or its checksum is wrong.
    """
    text = lists.read_list(path, sha256, "url_list")
    if not path.endswith(".py"):
        lines = (line.strip() for line in text.split("\n"))
        return tuple(line for line in lines if line and not line.startswith("#"))
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BAD_URLS":
                entries = tuple(map(str, ast.literal_eval(node.value)))
                return entries if mode == "paper" else _single_strings(text, node.value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise UserError(f"{path} has no list BAD_URLS")


def _single_strings(text: str, value: ast.expr) -> tuple[str, ...]:
    """The strings of a list of strings, each by itself."""
    source = ast.get_source_segment(text, value) or ""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return tuple(str(ast.literal_eval(t.string)) for t in tokens if t.type == tokenize.STRING)
