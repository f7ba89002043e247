"""DeepSeekMath's loop: domains, a person's review, and what the next round learns from."""

from __future__ import annotations

import csv
import json

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import Document, Provenance
from mathlm.core.stage import StageContext, StageInput
from mathlm.corpus import tables
from mathlm.corpus.quality.config import ClassifierConfig, RecallConfig
from mathlm.corpus.quality.linear import load
from mathlm.corpus.quality.recall import Scored, count, place, read_review, run, table
from mathlm.corpus.quality.stage import run as learn
from mathlm.corpus.quality.texts import Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (Text("w", "1", "", None, "https://www.a.org/b/c?d"), ("a.org", "a.org/b/c")),
        (Text("w", "x/y/z.html", "", None, "x/y/z.html"), ("x", "x/y/z.html")),
        (Text("w", "z.html", ""), ("w", "z.html")),
        (Text("w", "http://[broken", "", None, "http://[broken"), ("http:", "http://[broken")),
    ],
)
def test_places(text, expected):
    assert place(text, 1) == expected


def test_domains_are_counted_and_listed():
    scored = [
        Scored("a", "a.org/1", "a.org", 0.9), Scored("b", "a.org/2", "a.org", 0.2),
        Scored("c", "b.org/1", "b.org", 0.7), Scored("d", "a.org/3", "a.org", 0.95),
    ]  # fmt: skip
    domains = count(scored, 0.5)
    rows = list(csv.reader(table(domains, {"a.org": True, "b.org": False}).splitlines(),
                           delimiter="\t"))  # fmt: skip
    assert rows[1:] == [
        ["a.org", "yes", "3", "2", "0.667", "a.org/3"],
        ["b.org", "no", "1", "1", "1.000", "b.org/1"],
    ]


def test_reviews(tmp_path):
    file = tmp_path / "r.tsv"
    file.write_text("domain\tmathematical\tpages\na.org\tYES\t3\n\nb.org/maths/\tno\t1\n")
    assert read_review(file) == {"a.org": True, "b.org/maths": False}
    for text, message in (
        ("domain\tpages\n", "must begin with the columns"),
        ("domain\tmathematical\na.org\tmaybe\n", "line 2: mathematical is 'yes' or 'no'"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message):
            read_review(file)
    with pytest.raises(UserError, match="cannot read"):
        read_review(tmp_path / "absent")


@pytest.fixture
def corpora(tmp_path, labelled_texts):
    """Seeds and a pool: maths.org is good, mixed.org half so, other.org is not."""
    rows = {"seeds": [], "pool": []}
    for n, text in enumerate(labelled_texts(1600, noise=0)):
        if text.label and n % 2:
            rows["seeds"].append((text, "https://seeds.org/" + str(n)))
            continue
        site = ("maths" if n % 3 else "mixed") if text.label else ("other" if n % 9 else "mixed")
        rows["pool"].append((text, f"https://{site}.org/{'topics' if n % 4 else 'shop'}/{n}"))
    for name, documents in rows.items():
        folder = tmp_path / name / "documents" / name
        folder.mkdir(parents=True)
        with tables.Writer(folder, "train", 1 << 20) as writer:
            for text, url in documents:
                provenance = Provenance(url=url)
                writer.add(Document(id=text.id, text=text.text, source=name, provenance=provenance))
    return tmp_path


def stage(kind, name, folder, inputs, config):
    directory = folder / name
    directory.mkdir(exist_ok=True)
    given = {
        role: tuple(StageInput(n, "x", folder / n) for n in names) for role, names in inputs.items()
    }
    (learn if kind == "classifier" else run)(StageContext(name, directory, given), config)
    return directory


def test_two_rounds(corpora):
    both = {"documents": ("seeds", "pool")}
    learning = ClassifierConfig(labels="source", positive=("seeds",), bits=14)
    stage("classifier", "c1", corpora, both, learning)
    pool = {"classifier": ("c1",), "documents": ("seeds", "pool")}
    first = stage("recall", "r1", corpora, pool, RecallConfig(sources=("pool",)))
    figures = json.loads((first / "figures.json").read_text())
    assert figures["documents"] > 1000
    assert figures["recalled before"] == 0
    lines = (first / "domains.tsv").read_text().splitlines()
    rows = {row["domain"]: row for row in csv.DictReader(lines, delimiter="\t")}
    assert rows["maths.org"]["mathematical"] == "yes"
    assert rows["other.org"]["mathematical"] == "no"
    assert float(rows["other.org"]["share"]) < 0.05
    assert float(rows["maths.org"]["share"]) > 0.5
    recalled = set((first / "recalled.tsv").read_text().splitlines())
    assert len(recalled) == figures["recalled"]

    stage("classifier", "c2", corpora, {**both, "recalled": ("r1",)}, learning)
    before, after = (load(corpora / name).summary for name in ("c1", "c2"))
    extra = after.trained_on["labelled 0.5 or more"] - before.trained_on["labelled 0.5 or more"]
    assert extra == len(recalled)

    again = {"classifier": ("c2",), "documents": ("pool",), "before": ("r1",)}
    second = stage("recall", "r2", corpora, again, RecallConfig())
    known = json.loads((second / "figures.json").read_text())
    assert known["recalled before"] > 0.9 * len(recalled), "most of it was found already"


def test_a_persons_word_counts(corpora):
    both = {"documents": ("seeds", "pool")}
    learning = ClassifierConfig(labels="source", positive=("seeds",), bits=14)
    stage("classifier", "c1", corpora, both, learning)
    review = corpora / "review.tsv"
    review.write_text(
        "domain\tmathematical\nmaths.org\tyes\nmaths.org/shop\tno\nmixed.org\tno\nother.org\tno\n"
    )
    pool = {"classifier": ("c1",), "documents": ("pool",)}
    made = stage("recall", "r1", corpora, pool, RecallConfig(reviewed=str(review)))
    names = set((made / "recalled.tsv").read_text().splitlines())
    urls = {
        f"pool\t{row.id}": row.provenance.url
        for row in tables.read_documents([corpora / "pool/documents/pool/train-00000.parquet"])
    }
    chosen = {url for key, url in urls.items() if key in names}
    wanted = {url for url in urls.values() if url.startswith("https://maths.org/topics/")}
    assert chosen == wanted


def test_an_empty_pool_is_the_users_mistake(corpora):
    both = {"documents": ("seeds", "pool")}
    stage("classifier", "c1", corpora, both, ClassifierConfig(bits=14, labels="source",
                                                              positive=("seeds",)))  # fmt: skip
    pool = {"classifier": ("c1",), "documents": ("pool",)}
    with pytest.raises(UserError, match="no documents of absent"):
        stage("recall", "r1", corpora, pool, RecallConfig(sources=("absent",)))
