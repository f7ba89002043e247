"""The form in which cc_net's pipeline, and OpenWebMath's after it, gives texts to its models.

Small letters, no accents, digits to 0, some thirty signs of punctuation to ASCII, no control
characters (cc_net, Wenzek et al., arXiv 1911.00359, section 3.3, and its `text_normalizer.py`). One
departure: line ends become spaces, where cc_net, which sees single lines, would take them away.
"""

from __future__ import annotations

import re
import unicodedata

_SIGNS = {
    '"': "„”“«»１」「《》", "'": "´’", ",": "，、", ".": "。", ". ": "．", ":": "∶：", "?": "？",
    "!": "！", "(": "（", ")": "）", ";": "；", "-": "–━►", " - ": "—", "~": "～", "...": "…",
    "<": "〈", ">": "〉", "[": "【", "]": "】", "%": "％",
}  # fmt: skip
_PUNCTUATION = str.maketrans({sign: ascii for ascii, signs in _SIGNS.items() for sign in signs})
_DIGIT = re.compile(r"\d")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalise(text: str) -> str:
    """The text in that form, on one line."""
    text = text.lower()
    if not text.isascii():
        # Piecewise, since decomposing a long run of combining marks takes time quadratic in it.
        parts = (unicodedata.normalize("NFD", text[i : i + 64]) for i in range(0, len(text), 64))
        text = "".join(c for part in parts for c in part if unicodedata.category(c) != "Mn")
    text = _DIGIT.sub("0", text).translate(_PUNCTUATION)
    return " ".join(_CONTROL.sub("", " ".join(text.split())).split())
