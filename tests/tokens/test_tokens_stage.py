import dataclasses
import hashlib
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from pyarrow import parquet

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import changed_files
from mathlm.tokens import tokenizer as tokenizers
from mathlm.tokens.config import TokensConfig, expect
from mathlm.tokens.stage import run
from mathlm.tokens.store import TokenStore, find_stores

TEXTS = {
    ("general", "train"): [f"The house number {n} stands at the sea." for n in range(200)],
    ("code", "train"): [f"def f_{n}(x):\n    return x + {n}\n" for n in range(100)],
    ("code", "heldout"): ["def g(y):\n    return y\n", "", "é" * 10],
}


@pytest.fixture
def corpus(tmp_path):
    for (source, split), texts in TEXTS.items():
        folder = tmp_path / "corpus" / "documents" / source
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({"text": texts}), folder / f"{split}-00000.parquet")
    return tmp_path / "corpus"


def context(directory, corpus=None):
    inputs = {} if corpus is None else {"documents": (StageInput("c", "corpus", corpus),)}
    directory.mkdir(exist_ok=True)
    return StageContext(name="tokens", directory=directory, inputs=inputs)


def contents(directory):
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


CONFIG = TokensConfig(vocab_size=400, train_on=("general",))


def test_a_corpus_becomes_a_tokenizer_and_stores(tmp_path, corpus):
    run(context(tmp_path / "out", corpus), CONFIG)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["stores", "tokenizer"]
    tokenizer = tokenizers.load(out / "tokenizer")
    for (source, split), texts in TEXTS.items():
        store = TokenStore(out / "stores" / f"{source}.{split}")
        kept = [text for text in texts if text]
        assert [
            tokenizer.decode(store.document(i)[:-1].tolist()) for i in range(store.num_documents)
        ] == kept
        assert store.document_bytes.tolist() == [len(text.encode()) for text in kept]
        assert all(store.document(i)[-1] == tokenizer.end_id for i in range(len(kept)))
        assert store.meta["documents_in"] == len(texts) == len(kept) + store.meta["empty"]
        assert changed_files(store.directory) == []
    assert list(find_stores(out, "train")) == ["code", "general"]


def test_the_base_diet_alone_trains_the_tokenizer(tmp_path, corpus):
    run(context(tmp_path / "a", corpus), CONFIG)
    path = corpus / "documents" / "code" / "train-00000.parquet"
    parquet.write_table(pa.table({"text": ["entirely different"] * 50}), path)
    run(context(tmp_path / "b", corpus), CONFIG)
    name = "tokenizer/tokenizer.json"
    assert contents(tmp_path / "a")[name] == contents(tmp_path / "b")[name]


def test_two_runs_and_batches_of_any_size_give_the_same_bytes(tmp_path, corpus):
    run(context(tmp_path / "a", corpus), CONFIG)
    run(context(tmp_path / "b", corpus), CONFIG.model_copy(update={"batch_chars": 50}))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_cap_thins_the_training_text_evenly(tmp_path, corpus):
    from mathlm.core.progress import Task
    from mathlm.tokens.documents import corpus_files
    from mathlm.tokens.stage import _training_texts

    task = Task("", None, "", lambda task: None)
    config = TokensConfig(train_bytes=4000)
    texts = list(_training_texts(corpus_files(corpus), config, task))
    general = [text for text in texts if text.startswith("The house")]
    code = [text for text in texts if text.startswith("def")]
    assert 1200 < sum(map(len, general)) < 2800
    assert 1200 < sum(map(len, code)) < 2800
    assert general != TEXTS["general", "train"][: len(general)]


def test_lone_surrogates_and_bad_lines_are_counted(tmp_path):
    lines = ['{"text": "a\\ud800b"}', "{", '{"text": ""}', '{"text": "plain </s> text"}']
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    config = TokensConfig(vocab_size=300, files={"own": str(tmp_path / "own.jsonl")})
    run(context(tmp_path / "out"), config)
    store = find_stores(tmp_path / "out", "train")["own"]
    counts = {k: store.meta[k] for k in ("documents_in", "empty", "unreadable", "num_documents")}
    assert counts == {"documents_in": 4, "empty": 1, "unreadable": 1, "num_documents": 2}
    assert store.meta["with_lone_surrogates"] == 1
    assert store.num_bytes == len("a\ufffdb".encode()) + len("plain </s> text")
    assert (store.tokens == store.end_id).sum() == 2


def test_an_existing_tokenizer_is_used(tmp_path, corpus):
    run(context(tmp_path / "a", corpus), CONFIG)
    config = TokensConfig(tokenizer=str(tmp_path / "a" / "tokenizer"), sources=("code",))
    run(context(tmp_path / "b", corpus), config)
    assert sorted(path.name for path in (tmp_path / "b" / "stores").iterdir()) == [
        "code.heldout",
        "code.train",
    ]
    name = "stores/code.train/tokens.bin"
    assert contents(tmp_path / "a")[name] == contents(tmp_path / "b")[name]


def test_an_end_at_which_generation_does_not_stop_is_said(tmp_path, corpus, capsys):
    run(context(tmp_path / "a", corpus), CONFIG)
    config = TokensConfig(tokenizer=str(tmp_path / "a" / "tokenizer"), end_of_document="<pad>")
    loud = dataclasses.replace(context(tmp_path / "b", corpus), progress=Progress(terminal=False))
    run(loud, config)
    assert "documents end with <pad>, but the tokenizer's end" in capsys.readouterr().err
    store = find_stores(tmp_path / "b", "train")["code"]
    assert store.document(0)[-1] == store.end_id == 1


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"sources": ("web",)}, "sources names web, but there are code, general"),
        ({"train_on": ("web",)}, "train_on names web"),
        ({"end_of_document": "<none>"}, "no token '<none>'"),
    ],
)
def test_mistakes_are_named(tmp_path, corpus, config, says):
    with pytest.raises(UserError, match=says):
        run(context(tmp_path / "out", corpus), TokensConfig(vocab_size=300, **config))


def test_documents_have_to_come_from_somewhere(tmp_path):
    with pytest.raises(UserError, match="needs documents"):
        run(context(tmp_path / "out"), TokensConfig())


CHILD = """
import sys
from pathlib import Path
from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext, StageInput
from mathlm.tokens.config import TokensConfig
from mathlm.tokens.stage import run
out = Path(sys.argv[1]); out.mkdir(exist_ok=True)
inputs = {"documents": (StageInput("c", "corpus", Path(sys.argv[2])),)}
print("ready", flush=True)
config = TokensConfig(vocab_size=400, train_on=("general",), batch_chars=60)
run(StageContext(name="tokens", directory=out, inputs=inputs), config)
"""


def test_a_killed_run_ends_in_the_same_bytes(tmp_path, corpus):
    def start(out, kill_after=None):
        command = [sys.executable, "-c", CHILD, str(out), str(corpus)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            if kill_after is not None:
                time.sleep(kill_after)
                child.kill()
            return child.wait()

    begin = time.monotonic()
    assert start(tmp_path / "whole") == 0
    lasted = time.monotonic() - begin
    for number in range(4):
        start(tmp_path / "killed", kill_after=lasted * 0.2 * (number + 0.5))
    run(context(tmp_path / "killed", corpus), CONFIG)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_finished_stores_are_kept(tmp_path, corpus):
    run(context(tmp_path / "out", corpus), CONFIG)
    store = tmp_path / "out" / "stores" / "general.train"
    before = (store / "tokens.bin").stat().st_ino
    import shutil

    shutil.rmtree(tmp_path / "out" / "stores" / "code.train")
    run(context(tmp_path / "out", corpus), CONFIG)
    assert (store / "tokens.bin").stat().st_ino == before
    assert (tmp_path / "out" / "stores" / "code.train").is_dir()


def test_expectations_name_the_diet_and_the_tokenizer():
    assert "general" in expect(CONFIG)
    assert "400" in expect(CONFIG)
    assert "hub/name" in expect(TokensConfig(tokenizer="hub/name"))
