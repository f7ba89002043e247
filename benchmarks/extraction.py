"""Extraction of real mathematical pages: speed beside resiliparse, and fidelity beside trafilatura.

    python benchmarks/extraction.py [--repeats 5] [FOLDER]

FOLDER is `web/` of the data folder (default: `$MATHLM_DATA/web`): pages in `webkit_bench/origin`,
reference content in `webkit_bench/groundtruth`. One JSON line: pages per second of CPU of ours and
of the best of several settings of resiliparse's main-content extraction (each with decoding and
parsing; best of the repeats, taken in turns), their ratio, and the scores of ours and of
trafilatura where it is installed. The tests use the same scores.
"""

from __future__ import annotations

import argparse
import contextlib
import html as entities
import importlib.metadata
import json
import os
import platform
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mathlm.corpus.html import Extraction, extract
from mathlm.corpus.html.symbols import symbol

_MIN_WORDS = 50
_ROW = "\ue000"
# Different commands for the same thing, and what only spaces or sizes a formula.
_SAME = {
    "widehat": "hat", "widetilde": "tilde", "overrightarrow": "vec", "overline": "bar",
    "stackrel": "overset", "varepsilon": "epsilon", "varphi": "phi", "ne": "neq", "le": "leq",
    "ge": "geq", "to": "rightarrow", "dots": "ldots", "dotsc": "ldots", "dotsb": "cdots",
    "vartheta": "theta", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "boldsymbol": "mathbf",
    "lbrace": "{", "rbrace": "}", "land": "wedge", "lor": "vee", "vert": "|", "Vert": "|",
    "lvert": "|", "rvert": "|", "iff": "Leftrightarrow", "implies": "Rightarrow", "hslash": "hbar",
    "varnothing": "emptyset", "smallsetminus": "setminus", "prime": "'", "parallel": "|",
}  # fmt: skip
_IGNORED = re.compile(
    r"\\(?:left|right|middle|limits|displaystyle|textstyle|mathrm|mathit|operatorname\*?|text"
    r"|mbox|hbox|big[lr]?|Big[lr]?|bigg[lr]?|Bigg[lr]?)(?![A-Za-z])\.?"
    r"|\\mspace\{[^}]*\}|\\[,;:! >]|\\q?quad(?![A-Za-z])|\\enspace(?![A-Za-z])|~|\$"
)
_FENCED = {"pmatrix": "()", "bmatrix": "[]", "vmatrix": "||", "Vmatrix": ("\\|", "\\|")}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+)\*?\}(\{[lcr|]*\})?")


def normal_form(latex: str) -> str:
    """LaTeX in one writing: for comparing formulas that different converters made."""
    latex = entities.unescape(latex).replace("\\\\", _ROW)
    latex = "".join(symbol(c) if c > "\x7f" and c != _ROW else c for c in latex)
    latex = re.sub(
        r"\\x(right|left)arrow\{((?:[^{}]|\{[^{}]*\})*)\}", r"\\overset{\2}{\\\1arrow}", latex
    )
    latex = re.sub(r"\\mathbb\{([DdeijD])\}", r"\1", latex)
    latex = _ENVIRONMENT.sub(_environment, latex)
    latex = re.sub(r"\\([lr])brack(?![A-Za-z])", lambda m: "[" if m[1] == "l" else "]", latex)
    latex = _IGNORED.sub("", latex)
    latex = re.sub(r"\\([A-Za-z]+)", _command, latex)
    latex = re.sub(rf"(&\s*|\{{\}}\s*)+(?={_ROW}|\s*\\end)", "", latex)
    latex = re.sub(r"\^\{?'", "'", latex).replace("_{}", "").replace("^{}", "")
    return re.sub(r"[\s{}]", "", latex)


def _environment(match: re.Match[str]) -> str:
    fences = _FENCED.get(match[2])
    if fences:
        return fences[0] + "\\begin" if match[1] == "begin" else "\\end" + fences[1]
    return f"\\{match[1]}" if match[2] in ("matrix", "array", "aligned") else match[0]


def _command(match: re.Match[str]) -> str:
    same = _SAME.get(match[1])
    if same is None:
        return match[0]
    return f"\\{same}" if same[0].isalpha() or same in "{}" else same


@dataclass
class Reference:
    """What people checked a page to contain."""

    prose: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    display: list[bool] = field(default_factory=list)
    everything: str = ""

    def add(self, value: object) -> None:
        """Collect the texts and formulas of one block of the reference, however nested."""
        if isinstance(value, list):
            for part in value:
                self.add(part)
        elif isinstance(value, dict):
            self._block(value)

    def _block(self, block: dict[str, object]) -> None:
        kind, content = block.get("type"), block.get("content")
        if block.get("t") == "equation-inline":
            self._formula(str(block["c"]), display=False)
        elif block.get("t") in ("text", "code-inline"):
            self.prose.append(str(block["c"]))
        elif kind == "equation-interline" and isinstance(content, dict):
            self._formula(str(content["math_content"]), display=True)
        else:
            if isinstance(content, dict):
                for name in ("title_content", "code_content", "html"):
                    text = entities.unescape(str(content.get(name) or ""))
                    self.prose.append(re.sub(r"<[^>]+>", " ", text))
            for name in ("content", "items"):
                self.add(block.get(name))

    def _formula(self, latex: str, *, display: bool) -> None:
        # The AsciiMath page's reference reads the language's spaces (`\ `) as set differences.
        if normal_form(latex).replace("\\setminus", ""):
            self.formulas.append(latex)
            self.display.append(display)


@dataclass
class Page:
    """A page's bytes and its reference."""

    name: str
    html: bytes
    reference: Reference


def load(folder: Path) -> list[Page]:
    """The pages of `webkit_bench`, in order of their names."""
    pages = []
    for path in sorted((folder / "webkit_bench" / "origin").glob("*.html")):
        truth = folder / "webkit_bench" / "groundtruth" / f"{path.stem}.jsonl"
        content = json.loads(truth.read_text(encoding="utf-8").splitlines()[0])["content_list"]
        reference = Reference()
        reference.add(content)
        everything = json.dumps(content, ensure_ascii=False).replace("\\\\", "\\")
        reference.everything = normal_form(everything)
        pages.append(Page(path.stem, path.read_bytes(), reference))
    return pages


def words(text: str) -> Counter[str]:
    """Words of prose: two letters or more, formulas left out."""
    text = re.sub(r"\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]{1,400}\$", " ", text)
    return Counter(re.findall(r"[^\W\d_]{2,}", text.lower()))


def f1(text: str, reference: Reference) -> float | None:
    """Agreement of the prose as bags of words; None where the reference has hardly any."""
    expected, found = words(" ".join(reference.prose)), words(text)
    if sum(expected.values()) < _MIN_WORDS:
        return None
    both = sum((expected & found).values())
    return 2 * both / (sum(expected.values()) + sum(found.values()))


def _scripts_as_tex(html: str) -> str:
    """A page without its tags, `<sub>` and `<sup>` as TeX has them."""
    html = html.replace("{", "\\{").replace("}", "\\}")
    html = re.sub(r"<sub\b[^>]*>", "_", re.sub(r"<sup\b[^>]*>", "^", html))
    return re.sub(r"<[^>]*>", "", html)


@dataclass
class Fidelity:
    """Counts over pages, from which the scores come."""

    expected: int = 0
    recalled: int = 0
    found: int = 0
    right: int = 0
    doubled: int = 0
    kind_known: int = 0
    kind_right: int = 0
    f1: list[float] = field(default_factory=list)

    def add(self, page: Page, result: Extraction) -> None:
        """Count one page's formulas and words."""
        ours = [normal_form(f.latex) for f in result.formulas]
        expected = [normal_form(latex) for latex in page.reference.formulas]
        joined = _ROW.join(ours)
        matched = sum((Counter(ours) & Counter(expected)).values())
        missing = (Counter(expected) - Counter(ours)).elements()
        self.expected += len(expected)
        # One that stands inside a larger formula of ours is there too.
        self.recalled += matched + sum(latex in joined for latex in missing)
        self.found += len(ours)
        others = [f for f in ours if f not in page.reference.everything]
        # What the reference left out (answers, comments) is right when the page holds that TeX,
        # or those letters and scripts as plain HTML.
        html = page.html.decode("utf-8", "replace") if others else ""
        source = normal_form(html) + _ROW + normal_form(_scripts_as_tex(html))
        self.right += len(ours) - len(others) + sum(f in source for f in others)
        self.doubled += len(re.findall(r"(\$[^$\n]+\$)\s*(?=\1)", result.text))
        kinds = {normal_form(f.latex): f.display for f in result.formulas}
        for latex, display in zip(expected, page.reference.display, strict=True):
            if latex in kinds:
                self.kind_known += 1
                self.kind_right += kinds[latex] == display
        if (score := f1(result.text, page.reference)) is not None:
            self.f1.append(score)

    def scores(self) -> dict[str, float]:
        """Recall, precision and share of doubled formulas, right kinds, mean F1 of the prose."""
        return {
            "formula_recall": round(self.recalled / max(1, self.expected), 4),
            "formula_precision": round(self.right / max(1, self.found), 4),
            "doubled": round(self.doubled / max(1, self.found), 4),
            "display_right": round(self.kind_right / max(1, self.kind_known), 4),
            "content_f1": round(statistics.fmean(self.f1), 4) if self.f1 else 0.0,
        }


def fidelity(pages: list[Page]) -> dict[str, float]:
    """The scores of ours on the pages."""
    counts = Fidelity()
    for page in pages:
        counts.add(page, extract(page.html))
    return counts.scores()


def trafilatura_f1(pages: list[Page]) -> float | None:
    """The best mean F1 of trafilatura over its settings; None where it is not installed."""
    try:
        import trafilatura
    except ImportError:
        return None
    best = 0.0
    for options in ({}, {"favor_recall": True}, {"favor_precision": True}, {"fast": True}):
        scores = []
        for page in pages:
            text = trafilatura.extract(page.html, output_format="markdown", **options) or ""
            if (score := f1(text, page.reference)) is not None:
                scores.append(score)
        best = max(best, statistics.fmean(scores))
    return round(best, 4)


def resiliparse_settings() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    """Main-content extraction of resiliparse under several of its settings."""
    from resiliparse.extract.html2text import extract_plain_text

    for formatting in (True, False):
        for alt_texts in (True, False):

            def run(data: bytes, formatting: bool = formatting, alts: bool = alt_texts) -> object:
                return extract_plain_text(
                    data.decode("utf-8", "replace"),
                    main_content=True,
                    preserve_formatting=formatting,
                    alt_texts=alts,
                )

            yield f"preserve_formatting={formatting}, alt_texts={alt_texts}", run


def seconds(function: Callable[[bytes], object], pages: list[Page]) -> float:
    start = time.process_time()
    for page in pages:
        function(page.html)
    return time.process_time() - start


def speeds(pages: list[Page], repeats: int) -> dict[str, float | str | None]:
    """Pages per second of ours and of the peer's best setting, measured in turns."""
    peers = dict(resiliparse_settings()) if _installed("Resiliparse") else {}
    best: dict[str, float] = {}
    extract_all: dict[str, Callable[[bytes], object]] = {"ours": extract, **peers}
    for _ in range(repeats):
        for name, function in extract_all.items():
            best[name] = min(best.get(name, float("inf")), seconds(function, pages))
    ours = len(pages) / best.pop("ours")
    if not best:
        return {"pages_per_s": round(ours, 1), "peer_pages_per_s": None, "ratio": None}
    setting = min(best, key=lambda name: best[name])
    peer = len(pages) / best[setting]
    return {
        "pages_per_s": round(ours, 1),
        "peer": f"resiliparse extract_plain_text(main_content=True, {setting})",
        "peer_pages_per_s": round(peer, 1),
        "ratio": round(ours / peer, 3),
    }


def _installed(name: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("MATHLM_DATA", "../shared/data")) / "web"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    pages = load(args.folder)
    names = ("selectolax", "Resiliparse", "trafilatura")
    line = {
        "benchmark": "extraction",
        "pages": len(pages),
        "megabytes": round(sum(len(page.html) for page in pages) / 1e6, 2),
        **speeds(pages, args.repeats),
        **fidelity(pages),
        "trafilatura_content_f1": trafilatura_f1(pages),
        "versions": {"python": platform.python_version(), **{n: _installed(n) for n in names}},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one used",
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
