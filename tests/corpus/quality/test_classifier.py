"""The linear classifier: what it learns, that it is the same each time, and what it is worth."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext, StageInput
from mathlm.corpus.html import extract
from mathlm.corpus.quality.config import ClassifierConfig
from mathlm.corpus.quality.language import probability
from mathlm.corpus.quality.learning import Labelled, Learning, best_threshold, learn, platt
from mathlm.corpus.quality.linear import features, load, save
from mathlm.corpus.quality.prose import count_formulas, prose
from mathlm.corpus.quality.scores import score
from mathlm.corpus.quality.stage import run
from mathlm.corpus.source_config import TextSource
from mathlm.corpus.sources import list_items
from mathlm.corpus.sources.files import load_files
from mathlm.stats.calibration import auc


@pytest.fixture(scope="module")
def model(labelled_texts):
    return learn(labelled_texts(1500), "mathematical", Learning(bits=16))


def test_it_learns_the_subject_and_not_the_labels_noise(model, labelled_texts):
    figures = model.summary.figures
    fresh = list(labelled_texts(600, seed=9, noise=0))
    scores = [model.score(prose(t.text)) for t in fresh]
    area = auc(scores, [t.label > 0.5 for t in fresh])
    assert area.value > 0.99, area
    assert 0.8 < figures["auc"] < 0.97, "labels that are wrong one time in ten"
    assert figures["calibration_error"] < 0.12
    assert 0 < model.summary.threshold < 1


def test_scores_are_probabilities(model, labelled_texts):
    groups = [model.score(prose(t.text)) for t in labelled_texts(400, seed=5)]
    assert all(0 <= value <= 1 for value in groups)
    assert model.score("") == pytest.approx(model.score("\n"))


def test_saved_and_loaded_it_is_the_same(model, tmp_path):
    save(model, tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.weights, model.weights)
    assert again.summary == model.summary
    assert score("a theorem", str(tmp_path)) == model.score("a theorem")


@pytest.mark.parametrize("damage", ["missing", "cut", "pickle", "summary"])
def test_a_damaged_model_is_the_users_mistake(model, tmp_path, damage):
    save(model, tmp_path)
    if damage == "missing":
        (tmp_path / "weights.npy").unlink()
    elif damage == "cut":
        data = (tmp_path / "weights.npy").read_bytes()
        (tmp_path / "weights.npy").write_bytes(data[: len(data) // 2])
    elif damage == "pickle":
        np.save(tmp_path / "weights.npy", np.array([{"a": 1}], object), allow_pickle=True)
    else:
        (tmp_path / "classifier.json").write_text('{"label": 3}')
    with pytest.raises(UserError, match=r"classifier|weights"):
        load(tmp_path)


def test_one_kind_of_label_is_refused(labelled_texts):
    with pytest.raises(UserError, match="both kinds"):
        learn(
            (t._replace(label=1.0) for t in labelled_texts(200)), "mathematical", Learning(bits=12)
        )


_DIGEST = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from conftest import texts
from mathlm.corpus.quality.learning import Learning, learn
model = learn(texts(300), "mathematical", Learning(bits=14))
print(hashlib.sha256(model.weights.tobytes()).hexdigest(), model.summary.model_dump_json())
"""


def test_the_same_model_whatever_threads_and_hash_seed(request):
    folder = str(request.path.parent.parent)
    outs = set()
    for threads, seed in (("1", "0"), ("4", "77")):
        env = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST, folder],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=True,
        )
        outs.add(done.stdout)
    assert len(outs) == 1


def test_platt_recovers_a_logistic():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(1.7 * scores - 0.6)))).astype(float)
    slope, offset = platt(scores.tolist(), labels)
    assert slope == pytest.approx(1.7, abs=0.08)
    assert offset == pytest.approx(-0.6, abs=0.08)


def test_platt_stays_finite_where_scores_separate():
    slope, offset = platt([-3.0] * 20 + [3.0] * 20, np.array([0.0] * 20 + [1.0] * 20))
    assert 0 < slope < 20
    assert abs(offset) < 20


def test_best_threshold_by_enumeration():
    rng = np.random.default_rng(1)
    for _ in range(50):
        chances = rng.integers(0, 8, 30) / 8
        labels = rng.random(30) < 0.4
        if not labels.any():
            continue

        def f1(limit, chances=chances, labels=labels):
            chosen = chances >= limit
            return 2 * (chosen & labels).sum() / (chosen.sum() + labels.sum())

        found = best_threshold(chances, labels)
        assert f1(found) == pytest.approx(max(f1(limit) for limit in chances))


@given(st.text(max_size=200), st.integers(10, 22))
def test_features_of_any_text(text, bits):
    found = features(text + "\ud800", bits)
    assert found.dtype == np.uint32
    assert not len(found) or found.max() < 1 << bits


def context(folder, inputs=None, seed=0):
    folder.mkdir(exist_ok=True)
    return StageContext("classifier", folder, inputs or {}, seed)


def test_stage_on_labelled_lines(tmp_path, labelled_texts):
    rows = [
        {"id": t.id, "text": prose(t.text), "label": "__label__math" if t.label else "other"}
        for t in labelled_texts(600, noise=0)
    ]
    rows.append({"id": "none", "text": "no label", "label": None})
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    config = ClassifierConfig(labels="field", files=(str(file),), bits=14)
    run(context(tmp_path / "out"), config)
    model = load(tmp_path / "out")
    assert model.summary.figures["auc"] > 0.99
    assert sum(n for name, n in model.summary.trained_on.items() if name.startswith("texts")) == 600
    assert model.score("theorem proof lemma matrix " * 9) > 0.8
    run(context(tmp_path / "again"), config)
    names = ("weights.npy", "classifier.json")
    assert all((tmp_path / "out" / n).read_bytes() == (tmp_path / "again" / n).read_bytes()
               for n in names)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": ("absent.jsonl",)}, "no such file"),
        ({}, "nothing to learn from"),
        ({"files": ("labelled.jsonl",), "text": "content"}, "no field 'content'"),
        ({"files": ("labelled.jsonl",), "labels": "source", "positive": ("x",)}, "no such source"),
    ],
)
def test_the_users_mistakes(tmp_path, monkeypatch, settings, message, labelled_texts):
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"text": t.text}) for t in labelled_texts(150)]
    (tmp_path / "labelled.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match=message):
        run(context(tmp_path / "out"), ClassifierConfig(**settings))


def test_stage_on_documents_with_weak_labels(tmp_path, labelled_texts):
    from mathlm.core.records import Document
    from mathlm.corpus import tables

    for name, seed in (("web", 1), ("more", 2)):
        folder = tmp_path / "corpus" / "documents" / name
        folder.mkdir(parents=True)
        with tables.Writer(folder, "train", 1 << 20) as writer:
            for text in labelled_texts(400, seed=seed):
                writer.add(Document(id=text.id, text=text.text, source=name))
    given = {"documents": (StageInput("corpus", "corpus", tmp_path / "corpus"),)}
    run(context(tmp_path / "weak", given), ClassifierConfig(bits=14))
    weak = load(tmp_path / "weak")
    assert weak.summary.figures["auc"] > 0.75
    assert sum(weak.summary.trained_on.values()) > 800
    few = ClassifierConfig(bits=14, max_documents=500)
    run(context(tmp_path / "few", given), few)
    counts = load(tmp_path / "few").summary.trained_on
    assert sum(n for name, n in counts.items() if name.startswith("texts")) == 500
    with pytest.raises(UserError, match="both kinds"):
        wrong = ClassifierConfig(labels="source", positive=("web", "more"), bits=14)
        run(context(tmp_path / "wrong", given), wrong)


@pytest.mark.data
def test_real_pages_against_prose(data_dir, capsys, labelled_texts):
    """Learnt from problems and general text; scored on web pages of sites that it never saw."""
    rows = (data_dir / "benchmarks" / "math" / "test.jsonl").read_text().splitlines()[:2500]
    problems = [f"{row['problem']}\n{row['solution']}" for row in map(json.loads, rows)]
    labelled = [Labelled(f"m{n}", text, 1.0) for n, text in enumerate(problems)]
    labelled += [Labelled(f"g{n}", text, 0.0) for n, text in enumerate(general_texts())]
    model = learn(labelled, "mathematical", Learning(bits=18))
    pages = sorted((data_dir / "web" / "webkit_bench" / "origin").glob("*.html"))
    found = [(page.name, extract(page.read_bytes()).text) for page in pages]
    english = [(name, text) for name, text in found if probability(text, "en") >= 0.5]
    maths = [name.startswith("math") for name, _ in english]
    area = auc([model.score(prose(text)) for _, text in english], maths)
    with capsys.disabled():
        print(
            f"\nclassifier learnt from {len(labelled)} texts, on {len(english)} English web pages"
            f" of other sites: area {area.value:.3f} ({area.low:.3f}-{area.high:.3f})"
        )
    assert area.value > 0.85
    with_formulas = [count_formulas(text) > 0 for name, text in found if name.startswith("math")]
    assert sum(with_formulas) >= 22


def general_texts():
    """Docstrings, licences and help of the running Python and its packages."""
    for loaded in load_files(list_items(TextSource(), Progress(quiet=True)), "general"):
        text = getattr(loaded, "text", "")
        if loaded.id.endswith(".py"):
            text = docstrings(text)
        if len(text) > 300:
            yield text


def docstrings(code):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(code)
        except SyntaxError:
            return ""
    nodes = (ast.Module, ast.FunctionDef, ast.ClassDef)
    return "\n".join(ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, nodes))
