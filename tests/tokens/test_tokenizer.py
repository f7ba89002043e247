import hashlib
import json
import os
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.tokens import tokenizer as tokenizers

TEXTS = [
    r"Let $\frac{1}{2} + \alpha_{12} = \{x \in \mathbb{R}\}$. Then 12345 + 67 = 12412.",
    "def f(x):\n    return x + 1\n\n\nfor i in range(10):\n    print(f(i))\n",
    "Ein Satz über Körper: größer — naïve 数学 и математика 🙂.",
] * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    backend = tokenizers.train_bpe(TEXTS, vocab_size=400, extra_special_tokens=["<turn>"])
    tokenizers.save(backend, target, extra_special_tokens=["<turn>"])
    return target


@pytest.fixture(scope="module")
def tokenizer(folder):
    return tokenizers.load(folder)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=300)
@given(
    text=ANY_TEXT
    | st.lists(ANY_TEXT | st.sampled_from([*TEXTS, "</s>", "\r\n\t  \\"])).map("".join)
)
def test_decoding_gives_the_text_back(tokenizer, text):
    (ids,) = tokenizer.encode_batch([text])
    assert tokenizer.decode(ids.tolist()) == text


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "\\" * 100_000, " " * 300_000, "9" * 100_000, "\n \t" * 100_000]
)
def test_monotonous_text_is_encoded_in_time(tokenizer, text):
    start = time.process_time()
    (ids,) = tokenizer.encode_batch([text])
    assert time.process_time() - start < 5
    assert tokenizer.decode(ids.tolist()) == text


@settings(deadline=None, max_examples=200)
@given(text=st.text("ab é\u0301٣1²\n\t .\\\r\u00a0_", max_size=60), size=st.integers(1, 10))
def test_a_long_text_in_parts_gives_the_same_ids(tokenizer, text, size):
    parts = tokenizers.cut(text, size)
    assert "".join(parts) == text
    together = [i for ids in tokenizer.encode_batch(parts) for i in ids.tolist()]
    assert together == tokenizer.encode_batch([text])[0].tolist()


def test_long_texts_are_cut_where_the_tokenizer_allows(tokenizer, monkeypatch):
    texts = ["".join(TEXTS), "short"]
    whole = [ids.tolist() for ids in tokenizer.encode_batch(texts)]
    monkeypatch.setattr(tokenizers, "LONG", 50)
    assert tokenizer.cuttable
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == whole


@pytest.mark.data
@pytest.mark.parametrize(("name", "cuttable"), [("llama-test", False), ("gpt-neo-test", True)])
def test_whether_a_published_tokenizer_may_be_cut(tmp_path, data_dir, name, cuttable):
    end = {"llama-test": "</s>", "gpt-neo-test": "<|endoftext|>"}[name]
    path = data_dir / "tokenizers" / f"{name}-tokenizer.json"
    tokenizers.take(str(path), tmp_path / "t", end_of_document=end)
    loaded = tokenizers.load(tmp_path / "t")
    assert loaded.cuttable == cuttable
    text = "".join(TEXTS)
    assert loaded.encode_batch([text * 100])[0].tolist() == loaded._encode([text * 100])[0].tolist()


@pytest.mark.parametrize("special", ["</s>", "<pad>", "<turn>"])
def test_a_special_token_in_a_text_is_plain_text(tokenizer, special):
    (ids,) = tokenizer.encode_batch([f"end {special} of"])
    assert tokenizer.backend.token_to_id(special) not in ids.tolist()


def test_pieces_keep_digits_apart_and_commands_whole(tokenizer):
    (ids,) = tokenizer.encode_batch([r"\frac 12345"])
    assert [tokenizer.decode([i]) for i in ids.tolist()] == [r"\frac", " ", *"12345"]


def test_no_merge_crosses_a_digit(tokenizer):
    vocabulary = [tokenizer.decode([i]) for i in range(tokenizer.vocab_size)]
    assert not [token for token in vocabulary if len(token) > 1 and any(map(str.isdigit, token))]


def test_transformers_loads_it_and_agrees(folder, tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own
        from transformers import AutoTokenizer

        theirs = AutoTokenizer.from_pretrained(str(folder))
    text = "".join(TEXTS[:3])
    assert theirs(text)["input_ids"] == tokenizer.encode_batch([text])[0].tolist()
    assert theirs.decode(theirs(text)["input_ids"]) == text
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_id
    assert theirs.pad_token == "<pad>"
    assert theirs.convert_tokens_to_ids("<turn>") in theirs.all_special_ids


TRAIN = """
import sys, random
from mathlm.tokens import tokenizer
random.seed(3)
words = ["".join(random.choices("abcdé \\\\$1", k=random.randint(1, 9))) for _ in range(3000)]
texts = [" ".join(random.choices(words, k=200)) for _ in range(300)]
tokenizer.train_bpe(texts, vocab_size=1500).save(sys.argv[1])
"""


def test_training_gives_the_same_bytes_on_any_number_of_threads(tmp_path):
    digests = set()
    for threads in ("1", "2", "7"):
        path = tmp_path / threads
        env = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        subprocess.run([sys.executable, "-c", TRAIN, str(path)], env=env, check=True)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_fork_after_parallel_work_says_nothing(tmp_path):
    code = TRAIN + "\nimport os\npid = os.fork()\nos._exit(0) if pid == 0 else os.waitpid(pid, 0)\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "t")],
        env={k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_lone_surrogates_are_replaced_and_pairs_are_kept():
    assert tokenizers.replace_surrogates("a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert tokenizers.replace_surrogates("🙂") == "🙂"


def test_an_existing_folder_is_taken_with_its_own_end_token(tmp_path, folder):
    other = tmp_path / "other"
    tokenizers.save(tokenizers.train_bpe(TEXTS, vocab_size=300), other)
    (other / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<pad>"}}))
    tokenizers.take(str(other), tmp_path / "taken")
    assert tokenizers.load(tmp_path / "taken").end_of_document == "<pad>"
    assert tokenizers.load(tmp_path / "taken", end_of_document="</s>").end_of_document == "</s>"


def test_truncation_and_padding_of_a_file_are_switched_off(tmp_path):
    backend = tokenizers.train_bpe(TEXTS, vocab_size=300)
    backend.enable_truncation(4)
    backend.enable_padding(length=64)
    tokenizers.save(backend, tmp_path / "t")
    lengths = [len(ids) for ids in tokenizers.load(tmp_path / "t").encode_batch(["x", TEXTS[0]])]
    assert lengths[0] == 1
    assert lengths[1] > 4


@pytest.mark.data
@pytest.mark.parametrize("name", ["llama-test", "gpt-neo-test"])
def test_a_published_tokenizer_file_is_taken(tmp_path, data_dir, name):
    end = {"llama-test": "</s>", "gpt-neo-test": "<|endoftext|>"}[name]
    path = data_dir / "tokenizers" / f"{name}-tokenizer.json"
    tokenizers.take(str(path), tmp_path / "t", end_of_document=end)
    loaded = tokenizers.load(tmp_path / "t")
    assert loaded.end_of_document == end
    (ids,) = loaded.encode_batch([f"x = 12 {end}"])
    assert loaded.end_id not in ids.tolist()
    assert loaded.dtype == "uint16"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: tokenizers.take("nobody/has-this", p / "x"), "allow the download"),
        (lambda p: tokenizers.take("not an id", p / "x"), "not in the Hugging Face cache"),
        (
            lambda p: tokenizers.take(str(p / "good"), p / "x", end_of_document="<no>"),
            "no token '<no>'",
        ),
        (lambda p: tokenizers.load(p / "none"), "has no tokenizer.json"),
        (lambda p: tokenizers.load(p / "broken"), "is no tokenizer"),
        (
            lambda p: tokenizers.load(p / "good", end_of_document="<unknown>"),
            "no token '<unknown>'",
        ),
        (
            lambda p: tokenizers.take(str(p / "sentencepiece"), p / "x"),
            "write one with transformers",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, make, says):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    (tmp_path / "sentencepiece").mkdir()
    tokenizers.save(tokenizers.train_bpe(TEXTS, vocab_size=300), tmp_path / "good")
    with pytest.raises(UserError, match=says):
        make(tmp_path)
    assert not (tmp_path / "x").exists()
