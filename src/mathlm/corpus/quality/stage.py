"""The classifier stage: labelled texts to `weights.npy` and `classifier.json`, figures included.

Labels are weak (a page with LaTeX is mathematics), by source, from a field, or a language model's
marks; documents that a recall stage proposed count as positive whatever their label was.
Learning takes seconds and begins anew after a kill; a judge's answers are kept in `judged.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mathlm.core.errors import UserError
from mathlm.core.progress import Task
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_lines
from mathlm.corpus.quality.config import ClassifierConfig
from mathlm.corpus.quality.judge import MAX_MARK, Ask, marks
from mathlm.corpus.quality.learning import Labelled, Learning, learn
from mathlm.corpus.quality.linear import save
from mathlm.corpus.quality.prose import count_formulas
from mathlm.corpus.quality.texts import Text, label_value, read_texts, sample

RECALLED = "recalled.tsv"
"""What a recall stage proposes: a line of source and id for each document."""


def run(context: StageContext, config: ClassifierConfig, *, ask: Ask | None = None) -> None:
    """Learn and save a model in `context.directory`; `ask` is needed for labels by a judge."""
    corpora = [given.directory for given in context.inputs.get("documents", ())]
    if not corpora and not config.files:
        raise UserError("nothing to learn from: give `needs.documents` or `files`")
    texts = read_texts(corpora, config.files, (config.text, config.label))
    _check_sources(config, {key.partition("\t")[0] for key in texts.ids()})
    most = config.judge.samples if config.labels == "judge" else config.max_documents
    chosen = sample(texts, most)
    recalled = {
        line.decode()
        for given in context.inputs.get("recalled", ())
        for _, line in read_lines(given.directory / RECALLED)
    }
    if config.labels == "judge":
        assert ask is not None, "who runs the stage hands a judge in"
        labelled = _judged(list(chosen), config, ask, context.directory / "judged.jsonl")
    else:
        labelled = _labelled(chosen, config, recalled)
    settings = Learning(
        config.bits, config.epochs, config.learning_rate, config.min_count, context.seed
    )
    scale = float(MAX_MARK) if config.labels == "judge" else config.scale
    name = "quality" if config.labels == "judge" else "mathematical"
    with context.progress.task("classifier", None, "texts") as task:
        model = learn(_counted(labelled, task), name, settings, scale)
    save(model, context.directory)
    context.progress.say(f"  {summary(model.summary.figures)}")


def summary(figures: dict[str, float]) -> str:
    """The figures in one line."""
    return (
        f"area under the curve {figures['auc']:.3f} ({figures['auc_low']:.3f}–"
        f"{figures['auc_high']:.3f}), precision {figures['precision']:.3f} and recall"
        f" {figures['recall']:.3f} at the best threshold"
    )


def _counted(labelled: Iterator[Labelled], task: Task) -> Iterator[Labelled]:
    for text in labelled:
        task.advance()
        yield text


def _check_sources(config: ClassifierConfig, sources: set[str]) -> None:
    absent = sorted(set(config.positive) - sources)
    if config.labels == "source" and absent:
        raise UserError(
            f"no such source: {', '.join(absent)} (in `positive`); there are"
            f" {', '.join(sorted(sources))}"
        )


def _labelled(
    texts: Iterator[Text], config: ClassifierConfig, recalled: set[str]
) -> Iterator[Labelled]:
    positive = [word.lower() for word in config.positive_labels]
    for text in texts:
        if text.key in recalled:
            yield Labelled(text.key, text.text, 1.0)
            continue
        if config.labels == "formulas":
            label: float | None = float(count_formulas(text.text) > 0)
        elif config.labels == "source":
            label = float(text.source in config.positive)
        else:
            label = label_value(text.label, config.scale, positive)
        if label is not None:
            yield Labelled(text.key, text.text, label)


def _judged(texts: list[Text], config: ClassifierConfig, ask: Ask, log: Path) -> Iterator[Labelled]:
    found = marks(texts, ask, config.judge.max_characters, log)
    for text, mark in zip(texts, found, strict=True):
        if mark is not None:
            yield Labelled(text.key, text.text, mark / MAX_MARK)
