"""The light tree as Markdown with LaTeX.

Not here: which part of the page is rendered (content.py). While text is put together, formulas and
code stand as marked places (noncharacters that clean text cannot hold), so that nothing inside them
is taken for markup; at the end each place is filled in the order of the text.
"""

from __future__ import annotations

import functools
import re

from mathlm.corpus.html import scan, supsub
from mathlm.corpus.html.delimiters import Delimiters
from mathlm.corpus.html.inline import BREAK, CLOSE, CODE, FOREIGN, FORMULA, MARKS, PLACE, Inline
from mathlm.corpus.html.latex_text import clean, with_dollars_escaped
from mathlm.corpus.html.nodes import BLOCKS, Math, Node, elements, words
from mathlm.corpus.html.records import Formula

_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_LANGUAGE = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight-source|highlight|src|brush)[-:]\s*|(?:sourceCode|highlight)\s+)([A-Za-z+#]{1,20})(?![-:A-Za-z])",
    re.IGNORECASE,
)
_WRAPPER = re.compile(r"(?:^|\s)(?:highlight(?:-source)?|language|sourceCode)[- ](\S{1,20})")
_NO_LANGUAGE = words("default none highlight nohighlight plaintext notranslate")
_LANGUAGES = words(
    """
    python r java javascript typescript c cpp c++ csharp go rust julia matlab haskell ruby bash
    shell sh sql html css json xml yaml latex tex lua perl php scala kotlin swift fortran ocaml
    lean coq maple mathematica octave console text pycon ipython ipython3
    """
)
_THEOREMS = words(
    """
    theorem lemma proposition corollary definition proof example exercise remark conjecture claim
    axiom problem solution algorithm
    """
)
_SHORT_ITEM = 200
_ALONE = re.compile(r"[\s.,;:()\d]*")
_BLANKS = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+\n")


class Renderer:
    """Renders one page; the formulas of its text are in `formulas` afterwards."""

    def __init__(self, delimiters: Delimiters) -> None:
        self.marks = scan.marks(delimiters)
        self.places: list[Math] = []
        self.codes: list[str] = []
        self.formulas: list[Formula] = []
        self.in_item = False
        """Within a short list item, where a formula alone is the item and not a display."""
        self.language = ""
        """The language that an element around the code names (Sphinx, GitHub, Pandoc)."""

    def render(self, node: Node) -> str:
        """The node's content as Markdown."""
        text = "\n\n".join(self.blocks(node))
        text = PLACE.sub(self._fill, text)
        return _BLANKS.sub("\n\n", _TRAILING.sub("\n", text)).strip()

    def _fill(self, place: re.Match[str]) -> str:
        number = int(place[2])
        if place[1] == CODE:
            return self.codes[number]
        math = self.places[number]
        display = bool(math.display)
        latex = math.latex if display else math.latex.replace("\n", " ")
        if "$" in latex:
            latex = with_dollars_escaped(latex)
        self.formulas.append(Formula(latex=latex, display=display))
        if not display:
            return f"${latex}$"
        return f"$$\n{latex}\n$$" if "\n" in latex else f"$${latex}$$"

    def place(self, math: Math) -> str:
        """The mark that stands for a formula until the end."""
        if FOREIGN.search(math.latex):
            math.latex = FOREIGN.sub("", math.latex)
        self.places.append(math)
        return f"{FORMULA}{len(self.places) - 1}{CLOSE}"

    def code(self, text: str) -> str:
        """The mark that stands for a span or block of code until the end."""
        self.codes.append(text)
        return f"{CODE}{len(self.codes) - 1}{CLOSE}"

    def blocks(self, node: Node) -> list[str]:
        """The element's content as paragraphs."""
        out: list[str] = []
        run: list[str | Node | Math] = []
        for child in node.children:
            if isinstance(child, Node) and (child.tag in BLOCKS or child.holds_block):
                if run:
                    out += self.paragraphs(run)
                    run = []
                out += self.block(child)
            elif run or not isinstance(child, str) or not child.isspace():
                run.append(child)
        return out + self.paragraphs(run) if run else out

    def block(self, node: Node) -> list[str]:
        """One block element as paragraphs."""
        tag = node.tag
        if tag in _HEADINGS:
            title = self.line(node.children)
            return [f"{_HEADINGS[tag]} {title}"] if title else []
        if tag in ("pre", "listing", "xmp"):
            return self.preformatted(node)
        if tag in ("ul", "ol", "menu"):
            return self.items(node)
        if tag == "blockquote":
            return _prefixed(self.blocks(node), "> ")
        if tag == "table":
            return self.table(node)
        if tag == "dl":
            return self.definitions(node)
        if tag == "hr":
            return []
        if tag == "div" and "fragment" in node.css.split():
            return self.preformatted(node)
        outer, self.language = self.language, _surrounding_language(node.css) or self.language
        blocks = self.theorem(node, self.blocks(node))
        self.language = outer
        return blocks

    def theorem(self, node: Node, blocks: list[str]) -> list[str]:
        """The environment's name in front where the page's style sheet would have written it."""
        css = node.attrs.get("class")
        name = _theorem_name(css) if css and blocks else None
        if (
            name is None
            or re.match(rf"\W*(?:{name}|#)", blocks[0], re.IGNORECASE)
            or len(blocks[0]) < 2
        ):
            return blocks
        return [f"**{name.capitalize()}.** {blocks[0]}", *blocks[1:]]

    def paragraphs(self, run: list[str | Node | Math]) -> list[str]:
        """Inline content as paragraphs; display formulas stand alone."""
        text = self.inline(run)
        if FORMULA not in text and BREAK not in text:
            line = _collapse(text)
            return [line] if line else []
        pieces = [text]
        if FORMULA in text:
            self._settle(text)
            pieces = self._split(text)
        out: list[str] = []
        for piece in pieces:
            lines = [_collapse(line) for line in piece.split(BREAK)]
            paragraph = "\n".join(line for line in lines if line) if any(lines) else ""
            if paragraph:
                out.append(paragraph)
        return out

    def _split(self, text: str) -> list[str]:
        """The text cut at display formulas; what is only punctuation stays with the formula."""
        pieces: list[str] = []
        place = 0
        for match in PLACE.finditer(text):
            if match[1] == FORMULA and self.places[int(match[2])].display:
                pieces += [text[place : match.start()], match[0]]
                place = match.end()
        rest = text[place:]
        if pieces and re.fullmatch(r"\s*[.,;:]?\s*", rest.replace(BREAK, "")):
            return pieces
        return [*pieces, rest]

    def _settle(self, text: str) -> None:
        """A formula whose kind only its place can tell is display when it is alone in its line."""
        for line in text.split(BREAK):
            marks = [m for m in PLACE.finditer(line) if m[1] == FORMULA]
            undecided = [m for m in marks if self.places[int(m[2])].display is None]
            alone = len(marks) == 1 and _ALONE.fullmatch(PLACE.sub("", line)) is not None
            for match in undecided:
                math = self.places[int(match[2])]
                math.display = alone and len(math.latex) > 2 and not self.in_item

    def inline(self, run: list[str | Node | Math]) -> str:
        """Inline content as text with places, delimiters read."""
        first = run[0] if run else ""
        text = first if len(run) == 1 and isinstance(first, str) else Inline(self).text(run)
        if any(map(text.__contains__, self.marks.begins)):
            text = scan.formulas(text, self.marks, self._found)
        return text

    def _found(self, math: Math) -> str:
        """The mark of a formula found in the text, which may hold places and line breaks itself."""
        if MARKS.search(math.latex):
            math.latex = PLACE.sub(self._inside, math.latex).replace(BREAK, "\n")
            math.latex = clean(MARKS.sub("", math.latex))
        return self.place(math) if math.latex else " "

    def _inside(self, place: re.Match[str]) -> str:
        number = int(place[2])
        if place[1] == FORMULA:
            return self.places[number].latex
        return self.codes[number].strip("` ")

    def line(self, run: list[str | Node | Math]) -> str:
        """Inline content (whatever it is) on one line, display formulas included."""
        text = self.inline(run)
        if FORMULA not in text:
            return _collapse(text.replace(BREAK, " "))
        for match in PLACE.finditer(text):
            if match[1] == FORMULA:
                math = self.places[int(match[2])]
                math.display = bool(math.display)
                math.latex = math.latex.replace("\n", " ")
        return _collapse(text.replace(BREAK, " "))

    def preformatted(self, node: Node) -> list[str]:
        """A fenced block of code with its language."""
        text = supsub.in_code(_with_breaks(node)).replace("\t", "    ")
        lines = [line.rstrip() for line in text.split("\n")]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        if not lines:
            return []
        fence = "```"
        while fence in text:
            fence += "`"
        body = "\n".join(lines)
        language = _language(node) or self.language
        return [self.code(f"{fence}{language}\n{body}\n{fence}")]

    def items(self, node: Node) -> list[str]:
        """A list, nested lists indented."""
        items: list[str] = []
        number = _number(node.attrs.get("start"), 1)
        for child in node.children:
            if isinstance(child, Node) and child.tag == "li":
                number = _number(child.attrs.get("value"), number)
                marker = f"{number}. " if node.tag == "ol" else "- "
                marker = supsub.note_marker(child) or marker
                number += 1
                outer, self.in_item = self.in_item, child.chars < _SHORT_ITEM
                blocks = self.blocks(child)
                self.in_item = outer
                if blocks:
                    items.append(_item(marker, blocks))
            elif isinstance(child, Node):
                blocks = self.block(child) if child.tag in BLOCKS else self.paragraphs([child])
                items += [
                    "\n".join("  " + line for line in block.split("\n")) if items else block
                    for block in blocks
                ]
            elif isinstance(child, Math) or child.strip():
                items += self.paragraphs([child])
        return ["\n".join(items)] if items else []

    def definitions(self, node: Node) -> list[str]:
        """A list of terms, each followed by its definitions."""
        out: list[str] = []
        for child in node.children:
            if isinstance(child, Node) and child.tag == "dd":
                blocks = self.blocks(child)
                if blocks and out and not blocks[0].startswith(("$$", FORMULA, CODE, "- ", "```")):
                    blocks[0] = f": {blocks[0]}"
                out += blocks
            elif isinstance(child, Node) and child.tag == "dt":
                out += self.blocks(child)
            elif isinstance(child, Node):
                out += (
                    self.block(child)
                    if child.tag == "dl"
                    else (self.definitions(child) if child.tag == "div" else self.blocks(child))
                )
            else:
                out += self.paragraphs([child])
        return out

    def table(self, node: Node) -> list[str]:
        """A table of data as a Markdown table, a table for layout as its cells in order."""
        from mathlm.corpus.html import tables

        return tables.render(node, self)


@functools.lru_cache(maxsize=4096)
def _theorem_name(css: str) -> str | None:
    """The environment that a class names."""
    return next((word for word in css.lower().split() if word in _THEOREMS), None)


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _prefixed(blocks: list[str], prefix: str) -> list[str]:
    if not blocks:
        return []
    lines = "\n\n".join(blocks).split("\n")
    return ["\n".join(f"{prefix}{line}".rstrip() for line in lines)]


def _item(marker: str, blocks: list[str]) -> str:
    indent = " " * len(marker)
    text = blocks[0]
    for block in blocks[1:]:
        text += ("\n" if re.match(r"(?:- |\d+\. )", block) else "\n\n") + block
    return marker + text.replace("\n", f"\n{indent}").replace(f"\n{indent}\n", "\n\n")


def _number(told: str | None, otherwise: int) -> int:
    return int(told) if told and told.isdecimal() and len(told) < 7 else otherwise


def _with_breaks(node: Node) -> Node:
    """A copy in which `<br>` and line elements are line ends."""
    copy = Node(node.tag, {})
    for child in node.children:
        if isinstance(child, Node):
            if child.tag == "br":
                copy.children.append("\n")
                continue
            copy.children.append(_with_breaks(child))
            if child.tag in ("div", "p", "li", "tr"):
                copy.children.append("\n")
        else:
            copy.children.append(child)
    return copy


def _language(node: Node) -> str:
    """The language that the class of the block or of the `<code>` in it names."""
    for candidate in (node, *elements(node)[:1]):
        css = candidate.attrs.get("class") or ""
        told = candidate.attrs.get("data-lang") or candidate.attrs.get("data-language") or ""
        if re.fullmatch(r"[A-Za-z+#]{1,20}", told):
            return told.lower()
        for match in _LANGUAGE.finditer(css):
            name = match[1].lower()
            if name not in _NO_LANGUAGE:
                return name
        for word in css.lower().split():
            if word in _LANGUAGES:
                return word
    return ""


@functools.lru_cache(maxsize=4096)
def _surrounding_language(css: str) -> str:
    """The language that a wrapper of highlighted code names (`highlight-python`)."""
    match = _WRAPPER.search(css)
    name = match[1].lower() if match else ""
    return name if name.rstrip("0123456789") in _LANGUAGES else ""
