"""`extract`: one page's bytes or characters to Markdown with LaTeX, under limits, never raising.

Not here: filters (what is worth keeping is the corpus stage's question), and protection against a
crash or a hang of the C parser: the caller runs `extract_item` in the pool of core/processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathlm.corpus.html import charset, content, delimiters, markup
from mathlm.corpus.html.banned import banned
from mathlm.corpus.html.build import Builder, TooManyNodesError
from mathlm.corpus.html.nodes import words
from mathlm.corpus.html.records import NO_RULES, Extraction, PageRules, Reason
from mathlm.corpus.html.render import Renderer

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_BYTES = 32 * 2**20
MAX_NODES = 600_000
_MAX_TAGS = 1_500_000
_MAX_OPEN = 20_000
_NOT_HTML = (
    "%PDF-",
    "\x7fELF",
    "PK\x03\x04",
    "\x89PNG",
    "GIF8",
    "\x1f\x8b",
    "\xff\xd8\xff",
    "BZh",
    "RIFF",
    "{\\rtf",
    "%!PS",
)
_NOT_HTML_TYPES = re.compile(
    r"^(?:image|audio|video|font)/|^application/(?!xhtml|xml|html|octet-stream|\S*\+xml)",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


def extract(
    html: bytes | str,
    *,
    url: str | None = None,
    content_type: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_nodes: int = MAX_NODES,
    rules: PageRules = NO_RULES,
) -> Extraction:
    """The text of a page as Markdown with its formulas as LaTeX, or the reason why there is none.

    `content_type` is the HTTP header's, for the character set; `url` is the page's
    own address. Limits: `max_bytes` (of the page as given; characters for a str) and `max_nodes` of
    its tree; `rules` are the user's own. Never raises and gives the same result for the same input.
    """
    try:
        decoded = _decoded(html, content_type, max_bytes)
        return decoded if isinstance(decoded, Extraction) else _read(decoded, max_nodes, rules)
    except MemoryError:
        return Extraction(text="", reason="too_large", detail="out of memory")
    except Exception as error:  # noqa: BLE001 - one page is one item: whatever it holds, it is a value
        return Extraction(text="", reason="error", detail=f"{type(error).__name__}: {error}"[:300])


def extract_item(item: Mapping[str, Any]) -> Extraction:
    """`extract(**item)`, by name, for the pool: `{"html": …, "url": …, "content_type": …}`."""
    return extract(**item)


def extract_file(item: Mapping[str, Any]) -> Extraction:
    """`extract_item` of the file at `path`, read in the worker; or of `html` where given."""
    if "html" in item:
        return extract_item(item)
    rest = {name: value for name, value in item.items() if name != "path"}
    limit = int(rest.get("max_bytes", MAX_BYTES))
    try:
        with Path(item["path"]).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        return Extraction(text="", reason="error", detail=f"{type(error).__name__}: {error}"[:300])
    return extract(data, **rest)


def _decoded(
    html: bytes | str, content_type: str | None, max_bytes: int
) -> charset.Decoded | Extraction:
    """The page as characters, or why it is none."""
    if len(html) > max_bytes:
        return Extraction(text="", reason="too_large", detail=f"{len(html)} > {max_bytes}")
    if isinstance(html, str):
        return charset.Decoded(charset.clean(html), "utf-8", None)
    if _is_binary(html, content_type):
        return Extraction(text="", reason="not_html")
    return charset.decode(html, content_type)


def _read(decoded: charset.Decoded, max_nodes: int, rules: PageRules) -> Extraction:
    reason = _refusal(decoded.text)
    if reason is None:
        try:
            return _extract_text(decoded, max_nodes, rules)
        except TooManyNodesError:
            reason = "too_many_nodes"
    return Extraction(
        text="", reason=reason, charset=decoded.used, charset_declared=decoded.declared
    )


def _is_binary(data: bytes, content_type: str | None) -> bool:
    if content_type and _NOT_HTML_TYPES.match(content_type.strip()):
        return True
    head = data[:16].decode("latin-1")
    if head.startswith(_NOT_HTML):
        return True
    sample = data[:4096]
    controls = sum(
        sample.count(bytes((code,))) for code in (1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19)
    )
    return b"<" not in data[:65536] and (
        controls > len(sample) // 20 or sample.count(0) > len(sample) // 10
    )


def _refusal(text: str) -> Reason | None:
    """Why this text is not given to the parser, if so: its cost grows with depth times size."""
    if not text or text.isspace():
        return "empty"
    tags = text.count("<")
    if tags > _MAX_TAGS:
        return "too_many_nodes"
    if tags > _MAX_OPEN and tags - text.count("</") > _MAX_OPEN and _depth(text) > _MAX_OPEN:
        return "too_deep"
    return None


_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]*)")
_VOID = words(
    """
    area base br col embed hr img input link meta param source track wbr p li td tr th dd dt
    option
    """
)


def _depth(text: str) -> int:
    """An estimate of how deep elements nest, void and self-ending ones left out."""
    depth = deepest = 0
    for match in _TAG.finditer(text):
        if match[2].lower() in _VOID:
            continue
        depth += -1 if match[1] else 1
        deepest = max(deepest, depth)
    return deepest


def _script_text(node: LexborNode) -> str:
    """A script's code and its address."""
    return f"{node.text(deep=True)} {node.attributes.get('src') or ''}"


def _extract_text(decoded: charset.Decoded, max_nodes: int, rules: PageRules) -> Extraction:
    from selectolax.lexbor import LexborHTMLParser

    parser = LexborHTMLParser(markup.prepared(decoded.text))
    scripts = [_script_text(node) for node in parser.css("script")]
    body = parser.body or parser.root
    head = parser.head
    title_node = (head.css_first("title") if head is not None else None) or parser.css_first(
        "title"
    )
    title = (
        _SPACES.sub(" ", title_node.text(deep=True)).strip()[:500] if title_node is not None else ""
    )
    if body is None:
        return Extraction(
            text="",
            title=title or None,
            reason="empty",
            charset=decoded.used,
            charset_declared=decoded.declared,
        )
    if rules.max_links is not None and len(parser.css("a")) > rules.max_links:
        return Extraction(
            text="",
            reason="too_many_links",
            charset=decoded.used,
            charset_declared=decoded.declared,
        )
    marks = delimiters.declared(scripts)
    named = banned(parser, rules.banned)
    renderer = Renderer(marks)
    builder = Builder(max_nodes, named, spare=rules.spare_large)
    text = renderer.render(content.select(builder.build(body)))
    if not text:
        # All of it looked like surroundings: then these are the page.
        renderer = Renderer(marks)
        builder = Builder(max_nodes, named if not rules.spare_large else frozenset())
        text = renderer.render(builder.build(body))
    return Extraction(
        text=text,
        title=title or None,
        formulas=tuple(renderer.formulas),
        charset=decoded.used,
        charset_declared=decoded.declared,
        reason=None if text else "empty",
    )
