"""The dict of stage kinds and the wiring between them.

Stages meet in files; what one needs of another at run time is passed in here as a function. A
stage's code is imported when it runs, so that reading a recipe loads neither torch nor pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mathlm.core.inputs import Lister, named
from mathlm.core.stage import StageContext, StageKind
from mathlm.corpus import config as corpus
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.quality import config as quality
from mathlm.corpus.quality.config import ClassifierConfig, JudgeConfig, RecallConfig
from mathlm.grading.config import GradeConfig
from mathlm.reporting import config as reporting
from mathlm.reporting.config import ReportConfig
from mathlm.solving import config as solving
from mathlm.solving.config import SolveConfig
from mathlm.tokens import config as tokens
from mathlm.tokens.config import TokensConfig
from mathlm.training import config as training
from mathlm.training import perplexity_config as perplexity
from mathlm.training.config import TrainConfig
from mathlm.training.perplexity_config import PerplexityConfig

if TYPE_CHECKING:
    from mathlm.core.records import Problem
    from mathlm.reporting.overlap import SearchHit


def _corpus(context: StageContext, config: CorpusConfig) -> None:
    from mathlm.corpus.stage import run

    problems = _kept_out(config, context.seed)  # before any work: missing data are said at once
    run(context, config, problems=lambda: problems)


def _kept_out(config: CorpusConfig, seed: int) -> list[Problem]:
    """The test problems that the documents must not give away."""
    from mathlm.tasks import TASKS

    names = config.decontaminate.tasks
    return [problem for name in names for problem in TASKS[name].load("test", None, seed)]


def _check_kept_out(config: CorpusConfig, seed: int) -> None:
    _kept_out(config, seed)


def _classifier(context: StageContext, config: ClassifierConfig) -> None:
    from mathlm.corpus.quality.stage import run

    run(context, config, ask=lambda prompts: _ask_judge(prompts, config.judge))


def _ask_judge(prompts: Sequence[str], judge: JudgeConfig) -> list[str]:
    """A language model's answers to the prompts, so many at once as the settings say."""
    from concurrent.futures import ThreadPoolExecutor

    from mathlm.core.endpoint import Endpoint, ask_endpoint
    from mathlm.core.storage import read_lines

    key = next((line for _, line in read_lines(judge.key_file)), b"") if judge.key_file else b""
    where = Endpoint(
        judge.base_url, judge.model, key.decode().strip() or None, max_tokens=judge.max_tokens
    )
    ask = ask_endpoint(where)
    with ThreadPoolExecutor(judge.concurrency) as threads:
        return list(threads.map(ask, prompts))


def _recall(context: StageContext, config: RecallConfig) -> None:
    from mathlm.corpus.quality.recall import run

    run(context, config)


def _tokens(context: StageContext, config: TokensConfig) -> None:
    from mathlm.tokens.stage import run

    run(context, config)


def _train(context: StageContext, config: TrainConfig) -> None:
    from mathlm.training.stage import run

    run(context, config)


def _perplexity(context: StageContext, config: PerplexityConfig) -> None:
    from mathlm.training.perplexity import run

    run(context, config)


def _solve(
    context: StageContext, config: SolveConfig, secret: Callable[[str], str | None] | None = None
) -> None:
    from mathlm.grading.completions import answer_of
    from mathlm.grading.taskcheck import check_problems
    from mathlm.grading.verdicts import same_answers
    from mathlm.solving.stage import Wiring, run

    wiring = Wiring(answer=answer_of, same=same_answers, check=check_problems)
    run(context, config, replace(wiring, secret=secret) if secret else wiring)


def _check_tasks(config: SolveConfig, seed: int) -> None:
    from mathlm.solving.stage import found_problems

    found_problems(config, seed)


def _grade(context: StageContext, config: GradeConfig) -> None:
    from mathlm.grading.stage import run

    run(context, config)


def _report(context: StageContext, config: ReportConfig) -> None:
    from mathlm.reporting.stage import run

    run(context, config, search=_search)


def _search(texts: Sequence[str], files: Sequence[str], n: int) -> Iterator[SearchHit]:
    """Texts that share n words in a row with documents, for the report on memorisation."""
    from mathlm.corpus import overlap
    from mathlm.reporting.overlap import SearchHit

    items = [overlap.Item("", number, text) for number, text in enumerate(texts)]
    summary = overlap.Summary()
    documents = overlap.read_corpus(overlap.corpus_files(files), summary)
    for hit in overlap.search(items, documents, summary, n=n, exact=False):
        yield SearchHit(int(hit.item), hit.document, hit.ngram)


def _corpus_inputs(config: CorpusConfig) -> dict[str, Lister]:
    from mathlm.corpus.inputs import corpus_inputs

    return corpus_inputs(config)


def _classifier_inputs(config: ClassifierConfig) -> dict[str, Lister]:
    from mathlm.corpus.inputs import classifier_inputs

    return classifier_inputs(config)


def _recall_inputs(config: RecallConfig) -> dict[str, Lister]:
    from mathlm.corpus.inputs import recall_inputs

    return recall_inputs(config)


def _tokens_inputs(config: TokensConfig) -> dict[str, Lister]:
    return {f"files.{name}": partial(named, [files]) for name, files in config.files.items()}


KINDS: dict[str, StageKind] = {
    "corpus": StageKind(
        CorpusConfig,
        _corpus,
        needs={"classifier": ("classifier",), "quality": ("classifier",)},
        optional=frozenset({"classifier", "quality"}),
        reads=_corpus_inputs,
        check=_check_kept_out,
        expect=corpus.expect,
    ),
    "classifier": StageKind(
        ClassifierConfig,
        _classifier,
        needs={"documents": ("corpus",), "recalled": ("recall",)},
        optional=frozenset({"documents", "recalled"}),
        several=frozenset({"documents", "recalled"}),
        reads=_classifier_inputs,
        expect=quality.expect_classifier,
    ),
    "recall": StageKind(
        RecallConfig,
        _recall,
        needs={"classifier": ("classifier",), "documents": ("corpus",), "before": ("recall",)},
        optional=frozenset({"before"}),
        several=frozenset({"documents"}),
        reads=_recall_inputs,
        extended_by_files=True,
        expect=quality.expect_recall,
    ),
    "tokens": StageKind(
        TokensConfig,
        _tokens,
        needs={"documents": ("corpus",)},
        optional=frozenset({"documents"}),
        reads=_tokens_inputs,
        expect=tokens.expect,
    ),
    "train": StageKind(
        TrainConfig,
        _train,
        needs={"tokens": ("tokens",), "checkpoint": ("train",)},
        optional=frozenset({"checkpoint"}),
        parallel=True,
        expect=training.expect,
    ),
    "perplexity": StageKind(
        PerplexityConfig,
        _perplexity,
        needs={"model": ("train",), "tokens": ("tokens",)},
        optional=frozenset({"model"}),
        expect=perplexity.expect,
    ),
    "solve": StageKind(
        SolveConfig,
        _solve,
        needs={"model": ("train",)},
        optional=frozenset({"model"}),
        parallel=True,
        check=_check_tasks,
        expect=solving.expect,
    ),
    "grade": StageKind(GradeConfig, _grade, needs={"completions": ("solve",)}),
    "report": StageKind(
        ReportConfig,
        _report,
        needs={
            "corpus": ("corpus",),
            "train": ("train",),
            "perplexity": ("perplexity",),
            "solve": ("solve",),
            "grade": ("grade",),
        },
        optional=frozenset({"corpus", "train", "perplexity"}),
        several=frozenset({"train", "perplexity", "solve", "grade"}),
        shown=("report.html", "report.json"),
        expect=reporting.expect,
    ),
}


def kinds(secret: Callable[[str], str | None]) -> dict[str, StageKind]:
    """The stage kinds, for who may read keys from the environment (`secret`): the command line."""
    return {**KINDS, "solve": replace(KINDS["solve"], run=partial(_solve, secret=secret))}
