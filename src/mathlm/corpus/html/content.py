"""What of a page is its content: the part with the running text, without what surrounds it.

Not a classifier: rules on tags, class names, links and the share of running text, with a cap on what
a class name alone may remove. Sources: Readability (Arc90 / Mozilla) for choosing by running text,
boilerpipe (Kohlschütter 2010) for link density.
"""

from __future__ import annotations

import functools
import re

from mathlm.corpus.html.nodes import Child, Math, Node, elements, walk

_BOILERPLATE_TAGS = frozenset("nav footer aside menu".split())
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_BOILERPLATE = frozenset(
    """nav navbar navigation menu menus submenu sidebar sidebars sidenav toc breadcrumb breadcrumbs crumbs footer foot masthead banner banners cookie cookies consent gdpr
    share sharing shares social socials follow subscribe subscription newsletter signup login signin register advert adverts advertisement advertising ads ad adsense adslot promo
    promos promotion sponsor sponsored sponsors related recommended recommendations popular trending similar widget widgets popup modal overlay lightbox toolbar pager
    pagination paginator skip skiplink copyright disclaimer rating ratings vote votes voting votecell toast tooltip dropdown hamburger offcanvas drawer tagcloud
    authorbox byline printonly noprint hidden invisible outbrain taboola disqus editsection metadata postmeta tracking hotlinks feedback survey upsell paywall
    catlinks navbox siteSub jump privacy permalink headerlink anchorjs sr screenreader visuallyhidden""".split()
)
_CONTENT = frozenset(
    "article content main post entry body text story document markdown page question answer answers message thread wiki bd".split()
)
_MAIN = re.compile(
    r"^(?:main|content|main[-_]?content|article[-_]?(?:body|content|text)?|post[-_]?(?:body|content|text)|entry[-_]?content|mw-content-text|bodycontent|body-content|story[-_]?body|"
    r"markdown-body|documentwrapper|document|rst-content|page-content|content-body|article__body|s-prose|post|theme-doc-markdown|ltx_page_content|mt-content-container)$",
    re.IGNORECASE,
)
_LISTS = frozenset("ul ol dl div section table tbody tr td p span aside form menu".split())
_KEEP = frozenset("pre code math html body main article".split())


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
    total = body.weight
    pruned = _prune(body, total)
    root = _descend(pruned)
    if root is not pruned:
        root = _with_heading(pruned, root)
    return root


def _descend(node: Node) -> Node:
    """The element deepest down that holds nearly all running text of the page."""
    while True:
        inside = elements(node)
        best = max(inside, key=lambda child: child.weight, default=None)
        if (
            best is None
            or best.weight <= 0
            or best.tag
            in ("p", "ul", "ol", "table", "pre", "blockquote", "tr", "tbody", "li", "dl", "td")
        ):
            if (
                best is None
                or best.tag not in ("table", "tbody", "tr", "td")
                or best.weight < 0.9 * node.weight
            ):
                return node
        share = best.weight / node.weight if node.weight else 0.0
        wanted = 0.55 if _is_main(best) else 0.85
        if share < wanted:
            return node
        node = best


def _is_main(node: Node) -> bool:
    if node.tag in ("main", "article"):
        return True
    attrs = node.attrs
    if attrs.get("role") == "main" or attrs.get("itemprop") in ("articleBody", "mainContentOfPage"):
        return True
    return _is_main_name(f"{attrs.get('class') or ''} {attrs.get('id') or ''}")


def _with_heading(body: Node, root: Node) -> Node:
    """The content with the page's first-level heading in front where it stood outside."""
    if any(node.tag == "h1" for node in walk(root)):
        return root
    headings = [node for node in walk(body) if node.tag == "h1" and 0 < node.chars < 300]
    if len(headings) != 1:
        return root
    holder = Node("div", {})
    holder.children = [headings[0], root]
    holder.chars, holder.links, holder.weight = (
        root.chars + headings[0].chars,
        root.links,
        root.weight,
    )
    return holder


def _prune(node: Node, total: float) -> Node:
    """A copy of the tree without what is not content; its counts follow."""
    kept = Node(node.tag, node.attrs)
    children: list[Child] = kept.children
    for child in node.children:
        if isinstance(child, Node):
            if _is_dropped(child, total):
                kept.chars -= child.chars
                kept.links -= child.links
                kept.weight -= child.weight
                continue
            if child.tag not in ("p", "pre", "code", "h1", "h2", "h3"):
                smaller = _prune(child, total)
                kept.chars += smaller.chars - child.chars
                kept.links += smaller.links - child.links
                kept.weight += smaller.weight - child.weight
                child = smaller
        children.append(child)
    kept.chars += node.chars
    kept.links += node.links
    kept.weight += node.weight
    return kept


def _is_dropped(node: Node, total: float) -> bool:
    tag = node.tag
    if tag in _KEEP:
        return False
    share = node.weight / total if total else 0.0
    if tag == "nav" or (tag in _BOILERPLATE_TAGS and share < 0.3):
        return True
    if tag == "header" and share < 0.05 and not any(below.tag == "h1" for below in walk(node)):
        return True
    attrs = node.attrs
    if attrs and share < 0.3:
        role = attrs.get("role")
        if role in (
            "navigation",
            "banner",
            "contentinfo",
            "complementary",
            "search",
            "menu",
            "menubar",
            "dialog",
            "alert",
        ):
            return True
        name = f"{attrs.get('class') or ''} {attrs.get('id') or ''}"
        if name != " " and _is_boilerplate_name(name):
            return True
    return tag in _LISTS and _is_link_farm(node)


def _is_link_farm(node: Node) -> bool:
    """Mostly link text, several links, hardly any running text."""
    if node.chars == 0 or node.links < 0.6 * node.chars or node.weight > 0.25 * node.chars:
        return False
    if any(isinstance(child, Math) for child in node.children):
        return False
    links = 0
    for below in walk(node):
        if below.tag == "a" and below.links:
            links += 1
            if links >= 3:
                return True
    return False
