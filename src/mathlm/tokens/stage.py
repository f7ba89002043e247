"""The `tokens` stage: a tokenizer, then one token store for each source and split.

The tokenizer and every store are committed whole, so a killed run goes on with the first store
that is missing. Documents in = stored + empty + unreadable, in each store's `meta.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mathlm.core.errors import UserError
from mathlm.core.progress import Task
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_json, read_manifest
from mathlm.tokens import tokenizer as tokenizers
from mathlm.tokens.config import TokensConfig
from mathlm.tokens.documents import StoreName, corpus_files, read_texts, user_files
from mathlm.tokens.order import key_of
from mathlm.tokens.store import StoreWriter, write_store
from mathlm.tokens.tokenizer import TextTokenizer

Files = dict[StoreName, list[str]]


def run(context: StageContext, config: TokensConfig) -> None:
    """Fill the stage's directory: `tokenizer/` and `stores/SOURCE.SPLIT/`."""
    files = _find(context, config)
    chosen = _chosen(files, config)
    folder = context.directory / "tokenizer"
    if read_manifest(folder) is None:
        _make_tokenizer(context, config, files=files, folder=folder)
    tokenizer = tokenizers.load(folder, end_of_document=config.end_of_document)
    _warn_of_other_end(context, tokenizer, folder)
    for name in chosen:
        target = context.directory / "stores" / str(name)
        if _finished(target, tokenizer):
            continue
        label = f"tokenise {name}"
        with context.progress.task(label, unit="documents") as task:
            texts = _texts(chosen[name], config.text_column, task)
            tokenise(texts, tokenizer, directory=target, name=name, batch_chars=config.batch_chars)


def _find(context: StageContext, config: TokensConfig) -> Files:
    corpus = context.optional_input("documents")
    if corpus is None and not config.files:
        raise UserError("the tokens stage needs documents: name a corpus stage or give files")
    found = corpus_files(corpus) if corpus is not None else {}
    return dict(sorted({**found, **user_files(config.files)}.items()))


def _chosen(files: Files, config: TokensConfig) -> Files:
    there = {name.source for name in files}
    for setting in ("sources", "train_on"):
        if unknown := sorted(set(getattr(config, setting)) - there):
            raise UserError(
                f"{setting} names {', '.join(unknown)}, but there are {', '.join(sorted(there))}"
            )
    wanted = set(config.sources) or there
    return {name: paths for name, paths in files.items() if name.source in wanted}


def _make_tokenizer(
    context: StageContext, config: TokensConfig, *, files: Files, folder: Path
) -> None:
    if config.tokenizer is not None:
        tokenizers.take(
            config.tokenizer,
            folder,
            end_of_document=config.end_of_document,
            download=config.download,
        )
        return
    with context.progress.task("train the tokenizer", unit="documents") as task:
        backend = tokenizers.train_bpe(
            _training_texts(files, config, task),
            vocab_size=config.vocab_size,
            min_frequency=config.min_frequency,
            extra_special_tokens=config.extra_special_tokens,
        )
    tokenizers.save(backend, folder, extra_special_tokens=config.extra_special_tokens)


def _warn_of_other_end(context: StageContext, tokenizer: TextTokenizer, folder: Path) -> None:
    """Say where documents end with another token than the one at which generation stops."""
    stops = tokenizers.end_of_sequence(folder)
    if stops is not None and stops != tokenizer.end_of_document:
        context.progress.say(
            f"  documents end with {tokenizer.end_of_document}, but the tokenizer's end of "
            f"sequence is {stops}: a model trained on them will not stop there"
        )


def _training_texts(files: Files, config: TokensConfig, task: Task) -> Iterator[str]:
    """Texts that train the tokenizer: whole sources, or an even sample of one above its cap."""
    names = [
        name
        for name in files
        if name.split == "train" and name.source in (config.train_on or {name.source})
    ]
    if not names:
        raise UserError("no train split to train the tokenizer on: give `tokenizer` or documents")
    cap = max(1, config.train_bytes // len(names))
    for name in names:
        total = sum(
            len(text.encode("utf-8", "replace"))
            for text in _texts(files[name], config.text_column, None)
            if text
        )
        keep = (1 << 64) * min(1.0, cap / max(1, total))
        texts = _texts(files[name], config.text_column, task)
        for number, text in enumerate(texts):
            if text and key_of(name, number) < keep:
                yield text


def _texts(files: Iterable[str], column: str, task: Task | None) -> Iterator[str | None]:
    for path in files:
        for text in read_texts(path, column=column):
            yield text
            if task is not None:
                task.advance()


def _finished(directory: Path, tokenizer: TextTokenizer) -> bool:
    if read_manifest(directory) is None:
        return False
    meta = read_json(directory / "meta.json")
    return bool(meta["tokenizer_sha256"] == tokenizer.sha256 and meta["end_id"] == tokenizer.end_id)


def tokenise(
    texts: Iterable[str | None],
    tokenizer: TextTokenizer,
    *,
    directory: Path,
    name: StoreName,
    batch_chars: int = 4 << 20,
) -> None:
    """Write one store from texts in order.

    Empty texts and unreadable rows (None) are counted and left out; lone surrogates, which UTF-8
    cannot hold, become U+FFFD and their documents are counted.
    """
    meta = {
        "source": name.source,
        "split": name.split,
        "tokenizer_sha256": tokenizer.sha256,
        "vocab_size": tokenizer.vocab_size,
        "end_of_document": tokenizer.end_of_document,
        "documents_in": 0,
        "empty": 0,
        "unreadable": 0,
        "with_lone_surrogates": 0,
    }
    with write_store(
        directory, end_id=tokenizer.end_id, dtype=tokenizer.dtype, meta=meta
    ) as writer:
        batch: list[str] = []
        size = 0
        for text in _kept(texts, writer):
            batch.append(text)
            size += len(text)
            if size >= batch_chars:
                _encode(batch, tokenizer, writer)
                batch, size = [], 0
        _encode(batch, tokenizer, writer)


def _kept(texts: Iterable[str | None], writer: StoreWriter) -> Iterator[str]:
    for text in texts:
        writer.meta["documents_in"] += 1
        if text is None:
            writer.meta["unreadable"] += 1
        elif not text:
            writer.meta["empty"] += 1
        else:
            clean = tokenizers.replace_surrogates(text)
            writer.meta["with_lone_surrogates"] += clean != text
            yield clean


def _encode(batch: list[str], tokenizer: TextTokenizer, writer: StoreWriter) -> None:
    for text, ids in zip(batch, tokenizer.encode_batch(batch), strict=True):
        writer.add(ids, len(text.encode("utf-8")))
