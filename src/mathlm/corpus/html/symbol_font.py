"""Text set in the font Symbol, whose letters are Greek ones: old pages and Word's export.

Not here: fonts of TeX. Source: the encoding of Adobe's font Symbol.
"""

from __future__ import annotations

import re

from mathlm.corpus.html.nodes import Child

_NAMED = re.compile(r"""font-family\s*:\s*["']?symbol\b""", re.IGNORECASE)
_LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_GREEK = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ"
_SIGNS = {
    '"': "∀", "$": "∃", "@": "≅", "^": "⊥", "~": "∼", "¢": "′", "£": "≤", "¥": "∞", "®": "→",
    "³": "≥", "´": "×", "µ": "∝", "¶": "∂", "¸": "÷", "¹": "≠", "º": "≡", "»": "≈", "Ä": "⊗",
    "Å": "⊕", "Æ": "∅", "Ç": "∩", "È": "∪", "Ì": "⊂", "Í": "⊆", "Î": "∈", "Ï": "∉", "Ð": "∠",
    "Ñ": "∇", "Õ": "∏", "Ö": "√", "×": "⋅", "Û": "⇔", "Þ": "⇒", "å": "∑", "ò": "∫",
}  # fmt: skip
_TABLE = str.maketrans({**dict(zip(_LATIN, _GREEK, strict=True)), **_SIGNS})


def is_named(attrs: dict[str, str]) -> bool:
    """Whether an element's attributes set its text in Symbol."""
    if "face" in attrs:
        return attrs["face"].strip().lower() == "symbol"
    style = attrs.get("style") or ""
    return "ymbol" in style and _NAMED.search(style) is not None


def read(children: list[Child]) -> list[Child]:
    """The children of an element in Symbol, their text in the characters that are seen."""
    return [child.translate(_TABLE) if isinstance(child, str) else child for child in children]
