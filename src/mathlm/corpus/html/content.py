"""What of a page is its content: the part with the running text, without what surrounds it.

Not a classifier: rules on tags, class names, links and the share of running text, with a cap on
what a class name alone may remove. Sources: Readability (Arc90 / Mozilla) for choosing by running
text, boilerpipe (Kohlschütter 2010) for link density.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from mathlm.corpus.html.nodes import Child, Math, Node, elements, plain_text, walk, words

_BOILERPLATE_TAGS = frozenset(["nav", "footer", "aside", "menu"])
SUSPECT_TAGS = _BOILERPLATE_TAGS | {"header"}
"""Elements that are suspect without any attribute."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_BOILERPLATE = words(
    """
    nav navbar navigation menu menus submenu sidebar sidebars sidenav toc breadcrumb breadcrumbs
    crumbs footer foot masthead banner banners cookie cookies consent gdpr share sharing shares
    social socials follow subscribe subscription newsletter signup login signin register advert
    adverts advertisement advertising ads ad adsense adslot promo promos promotion sponsor
    sponsored sponsors related recommended recommendations popular trending similar widget widgets
    popup modal overlay lightbox toolbar pager pagination paginator skip skiplink copyright
    disclaimer rating ratings vote votes voting votecell toast tooltip dropdown hamburger
    offcanvas drawer tagcloud authorbox byline printonly noprint hidden invisible outbrain taboola
    disqus editsection metadata postmeta tracking hotlinks feedback survey upsell paywall catlinks
    navbox siteSub jump viewcode privacy permalink headerlink anchorjs sr screenreader
    visuallyhidden
    """
)
_CONTENT = words(
    """
    article content main post entry body text story document markdown page question answer answers
    message thread wiki bd math equation formula theorem lemma proof definition example figure
    """
)
_MAIN = re.compile(
    r"^(?:main|content|main[-_]?content|article[-_]?(?:body|content|text)?|post[-_]?(?:body|content|text)|entry[-_]?content|mw-content-text|bodycontent|body-content|story[-_]?body|"
    r"markdown-body|documentwrapper|document|rst-content|page-content|content-body|article__body|s-prose|post|theme-doc-markdown|ltx_page_content|mt-content-container)$",
    re.IGNORECASE,
)
# Asides and footers that belong to the text.
_NOTES = re.compile(
    r"(?:foot|end|side|margin)-?note|admonition|callout|theorem|lemma|proof|definition|example|remark"
    r"|exercise|(?:^|\s)topic(?:\s|$)",
    re.IGNORECASE,
)
_FOOTNOTES = re.compile(r"\b(?:foot|end)-?notes?\b", re.IGNORECASE)
_BOILERPLATE_ROLES = words(
    """
    navigation banner contentinfo complementary search menu menubar dialog alert
    """
)
# Taken or left whole; so are Doxygen's blocks of code and tables of members, though full of links.
_UNTOUCHED = words("p pre code")
# What stands between names in a signature or a call, and hardly between the links of a menu.
_CODE = re.compile(r"::|[(\[{<=]\s*$")
_RIGHTS = re.compile(r"©|\(c\) |copyright|rights reserved|licen[cs]ed under", re.IGNORECASE)
_MAX_IMPRINT = 1500
_DOXYGEN = words("fragment memberdecls")
LISTS = words("ul ol dl div section table tbody tr td p span aside form menu")
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
# Their ids are what links point at (`<dt id="gui.widgets.Button">`), no names of parts of the page.
_ANCHORS = _HEADINGS | words("dt dd td th tr")
_TABLE_PARTS = frozenset(["table", "tbody", "thead", "tfoot", "tr"])
# Content that stands as a whole: it is never entered in search of a smaller root.
_WHOLE = words("p ul ol pre blockquote li dl h1 h2 h3 h4 h5 h6 table tbody tr")
_KEEP = frozenset(["pre", "code", "math", "html", "body", "main", "article"])


@functools.lru_cache(maxsize=16384)
def _is_boilerplate_name(name: str) -> bool:
    """Whether a class or id speaks of navigation, sharing, advertising and not of content."""
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _BOILERPLATE for word in words) and not any(
        word in _CONTENT for word in words
    )


@functools.lru_cache(maxsize=16384)
def _is_main_name(name: str) -> bool:
    return any(_MAIN.match(word) for word in name.split())


def select(body: Node) -> Node:
    """The page's content: the smallest element that holds most of the running text, pruned."""
    _prune(body, _Page(max(body.weight, 1.0), max(body.chars, 1), max(body.chars - body.links, 1)))
    notes: list[Node] = []
    root = _descend(body, notes)
    return root if root is body else _with_heading(body, root, notes)


class _Page(NamedTuple):
    """The whole page's running text and its characters."""

    weight: float
    chars: int
    plain: int
    """Of these, characters outside of links."""


def _descend(node: Node, notes: list[Node]) -> Node:
    """The element deepest down that holds nearly all running text; footnotes beside it in `notes`.

    Within an element that is the content by its name, little more is left out and no formula.
    """
    in_main = False
    while node.weight > 0:
        in_main = in_main or _is_main(node)
        best = max(elements(node), key=lambda child: child.weight, default=None)
        if best is not None and best.tag in _TABLE_PARTS:
            best = _widest_cell(best)
        if best is None or best.tag in _WHOLE or _is_part(best, node, in_main=in_main):
            return node
        if best.weight < (0.55 if _is_main(best) else 0.97 if in_main else 0.85) * node.weight:
            return node
        if in_main and not _is_main(best) and any(_has_math(c, best) for c in node.children):
            return node
        notes += [c for c in elements(node) if c is not best and _is_footnotes(c)]
        node = best
    return node


def _is_part(best: Node, node: Node, *, in_main: bool) -> bool:
    """Whether it is a section of a text that has more: what stands before it belongs to it."""
    if best.tag != "section" and "section" not in best.css.split():
        return False
    return in_main or any(child.tag in _HEADINGS for child in elements(node))


def _is_footnotes(node: Node) -> bool:
    return _FOOTNOTES.search(f"{node.css} {node.attrs.get('id', '')}") is not None


def _has_math(child: Child, best: Node) -> bool:
    """Whether a formula stands there that descending to `best` would lose."""
    if isinstance(child, Node):
        return child is not best and any(_has_math(below, best) for below in child.children)
    return isinstance(child, Math)


def _widest_cell(node: Node) -> Node:
    """Of a table (or a part of one) the cell with the most running text."""
    while node.tag in _TABLE_PARTS:
        inside = elements(node)
        if not inside:
            return node
        node = max(inside, key=lambda child: child.weight)
    return node


def _is_main(node: Node) -> bool:
    if node.tag in ("main", "article"):
        return True
    attrs = node.attrs
    if attrs.get("role") == "main" or attrs.get("itemprop") in ("articleBody", "mainContentOfPage"):
        return True
    return _is_main_name(f"{attrs.get('class') or ''} {attrs.get('id') or ''}")


def _with_heading(body: Node, root: Node, notes: list[Node]) -> Node:
    """The content between what stood outside of it: the page's heading and its footnotes."""
    headings: list[Node] = []
    if not _first_headings(root):
        headings = [node for node in _first_headings(body) if 0 < node.chars < 300]
    if len(headings) > 1:  # that of the site is a link to its first page
        headings = [node for node in headings if node.links < node.chars]
    parts = [*(headings if len(headings) == 1 else ()), root, *notes]
    if len(parts) == 1:
        return root
    holder = Node("div", {})
    holder.children = [*parts]
    holder.chars = sum(part.chars for part in parts)
    holder.links, holder.weight = root.links, root.weight
    return holder


def _first_headings(node: Node) -> list[Node]:
    """The first-level headings below the node, in order."""
    found: list[Node] = []
    for child in elements(node):
        if child.tag == "h1":
            found.append(child)
        if child.holds_block:
            found += _first_headings(child)
    return found


def is_note(attrs: dict[str, str]) -> bool:
    """Whether an aside or a footer belongs to the text: footnotes, theorems, admonitions."""
    return _NOTES.search(f"{attrs.get('class', '')} {attrs.get('id', '')}") is not None


def is_suspect(tag: str, attrs: dict[str, str], css: str | None) -> bool:
    """Whether an element's role or name speaks of anything but content."""
    if tag in _KEEP:
        return False
    if css and _is_boilerplate_name(css):
        return True
    if "id" in attrs and tag not in _ANCHORS and _is_boilerplate_name(attrs["id"]):
        return True
    return "role" in attrs and attrs["role"] in _BOILERPLATE_ROLES


def _prune(node: Node, page: _Page) -> None:
    """Take out below the node what is not content; its counts follow."""
    if not node.doubtful:
        return
    kept: list[Child] = []
    for child in node.children:
        if isinstance(child, Node) and not (child.tag in _UNTOUCHED or child.css in _DOXYGEN):
            before = (child.chars, child.links, child.weight)
            # a heading may be all links (`std::fmt::Trait`)
            dropped = (child.suspect or node.tag not in _HEADINGS) and _is_dropped(child, page)
            if dropped:
                child.chars = child.links = 0
                child.weight = 0.0
            else:
                _prune(child, page)
            if before[0] != child.chars:
                node.chars -= before[0] - child.chars
                node.links -= before[1] - child.links
                node.weight -= before[2] - child.weight
            if dropped:
                continue
        kept.append(child)
    node.children = kept


def _is_dropped(node: Node, page: _Page) -> bool:
    tag = node.tag
    if not node.suspect:
        return tag in LISTS and node.links > 0 and _is_link_farm(node, page)
    share = max(node.weight / page.weight, 0.5 * (node.chars - node.links) / page.plain)
    if share > 0.3 and _is_imprint(node):
        return True
    if share > 0.3 or _is_named_by_heading(node) or _has_title_page(node):
        return False
    return tag != "header" or (share < 0.05 and not _first_headings(node))


def _is_imprint(node: Node) -> bool:
    """Whether it is a short footer about rights, which on a page of few words weighs much."""
    names = f"{node.tag} {node.css} {node.attrs.get('id', '')} {node.attrs.get('role', '')}"
    return (
        node.chars < _MAX_IMPRINT
        and ("foot" in names or "contentinfo" in names)
        and _RIGHTS.search(plain_text(node)) is not None
    )


def _has_title_page(node: Node) -> bool:
    """Whether it is a box of the text with a title, as the sidebars of DocBook and Docutils are."""
    first = elements(node)[:2]
    return any(c.css == "titlepage" or (c.tag, c.css) == ("p", "sidebar-title") for c in first)


def _is_named_by_heading(node: Node) -> bool:
    """Whether the id only repeats the element's heading, as generators of documents have it."""
    name = node.attrs.get("id")
    if not name or _is_boilerplate_name(node.css):
        return False
    for child in elements(node)[:2]:
        if child.tag in _HEADINGS:
            title = _WORD.findall(plain_text(child).lower())
            return [word.lower() for word in _WORD.findall(name)] == title
    return False


def _is_link_farm(node: Node, page: _Page) -> bool:
    """Mostly link text, several links, hardly any running text."""
    if (
        node.weight > 0.3 * page.weight
        or node.chars > 0.6 * page.chars
        or node.chars == 0
        or node.links < 0.6 * node.chars
        or node.weight > 0.25 * node.chars
    ):
        return False
    links = marks = 0
    for below in walk(node):
        if below.tag == "a":
            links += below.links > 0
            continue
        if below.tag == "pre" or any(isinstance(child, Math) for child in below.children):
            return False
        texts = (child for child in below.children if isinstance(child, str))
        marks += sum(1 for text in texts if _CODE.search(text))
    return links >= 3 and 4 * marks < links
