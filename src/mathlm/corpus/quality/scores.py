"""One score for a text from a model at a path: our linear model's folder or a fastText file."""

from __future__ import annotations

import functools
from pathlib import Path

from mathlm.corpus.quality.linear import MAX_CHARACTERS, Linear, load
from mathlm.corpus.quality.normal_form import normalise
from mathlm.corpus.quality.prose import prose


@functools.lru_cache(maxsize=8)
def _linear(path: str) -> Linear:
    return load(Path(path))


def score(
    text: str, path: str, *, label: str = "__label__positive", published: bool = False
) -> float:
    """The model's score of the text's prose: a probability, or a mark on the model's scale.

    A folder is a model of `linear.py`, a file one of fastText, of which `label` counts; with
    `published` the latter sees the whole text in cc_net's form, formulas too, as OpenWebMath's code
    gives it to MathScore. Raises `UserError` where there is no model.
    """
    if published and Path(path).is_file():
        from mathlm.corpus.quality.fasttext import label_probability

        return label_probability(normalise(text), path, label)
    # Formulas go, so more is read than is judged.
    plain = prose(text[: 2 * MAX_CHARACTERS])
    if Path(path).is_file():
        from mathlm.corpus.quality.fasttext import label_probability

        return label_probability(plain[:MAX_CHARACTERS], path, label)
    return _linear(path).score(plain)
