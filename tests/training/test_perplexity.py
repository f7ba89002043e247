"""The perplexity stage: its figures against a naive loop, its files, its refusals."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mathlm.core.errors import UserError
from mathlm.core.storage import read_json
from mathlm.models import load_model
from mathlm.tokens.store import TokenStore, write_store
from mathlm.training.heldout import heldout_documents, take_documents
from mathlm.training.perplexity import run
from mathlm.training.perplexity_config import PerplexityConfig, expect

_spec = importlib.util.spec_from_file_location("drive", Path(__file__).with_name("drive.py"))
drive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drive)
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("perplexity")
    drive.make_tokens(folder / "tokens")
    drive.train(folder, "trained", steps=40, weights={"a": 1}, validate_every=0)
    return folder


def measured(root, folder, *, model="trained", **settings):
    inputs = {"model": root / model} if model else {}
    here = drive.context(root, folder, **inputs)
    run(here, PerplexityConfig(device="cpu", **settings))
    return here.directory


def lines(directory):
    return [json.loads(line) for line in (directory / "documents.jsonl").read_text().splitlines()]


@torch.no_grad()
def naive_bits(model, tokens):
    """Bits of a document that fits the window, from transformers' own mean loss."""
    ids = torch.tensor([[0, *map(int, tokens)]])
    return float(model(input_ids=ids, labels=ids, use_cache=False).loss) * len(tokens) / math.log(2)


def test_bits_are_those_of_a_naive_loop(root):
    model = load_model(root / "trained" / "model")
    short = [tokens[:16] for tokens in heldout_documents(root / "tokens", None)["a"].documents]
    with write_store(root / "short" / "stores" / "a.heldout", end_id=0) as writer:
        for tokens in short:
            writer.add(tokens, 48)
    (root / "short" / "tokenizer").symlink_to(root / "tokens" / "tokenizer")
    here = drive.context(root, "short-bits", model=root / "trained", tokens=root / "short")
    run(here, PerplexityConfig(device="cpu"))
    found = [line["bits"] for line in lines(here.directory)]
    assert found == pytest.approx([naive_bits(model, tokens) for tokens in short], rel=1e-5)


def test_results_are_ratios_of_sums_with_intervals(root):
    directory = measured(root, "results")
    results = read_json(directory / "results.json")
    assert [(line["model"], line["task"], line["metric"]) for line in results] == [
        ("trained", "a", "bits_per_byte"),
        ("trained", "b", "bits_per_byte"),
    ]
    for result in results:
        own = [line for line in lines(directory) if line["task"] == result["task"]]
        ratio = sum(line["bits"] for line in own) / sum(line["bytes"] for line in own)
        assert result["value"] == pytest.approx(ratio, rel=1e-6)
        assert result["low"] <= result["value"] <= result["high"]
        assert result["n"] == len(own) == 5
    assert results[0]["value"] < results[1]["value"], "the source it was trained on is cheaper"


def test_the_same_again_in_the_same_bytes(root):
    first, second = measured(root, "one"), measured(root, "two")
    for name in ("results.json", "documents.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_batch_size_does_not_matter(root):
    one = [line["bits"] for line in lines(measured(root, "b1", batch_tokens=1))]
    many = [line["bits"] for line in lines(measured(root, "b9", batch_tokens=9999))]
    assert one == pytest.approx(many, rel=1e-5)


def test_a_cap_takes_the_first_whole_documents(root):
    everything, capped = (
        lines(measured(root, "all")),
        lines(measured(root, "cap", max_bytes_per_source=200)),
    )
    for source in "ab":
        all_own = [line for line in everything if line["task"] == source]
        own = [line for line in capped if line["task"] == source]
        assert 0 < len(own) < len(all_own)
        assert [line["bytes"] for line in own] == [line["bytes"] for line in all_own[: len(own)]]
        assert sum(line["bytes"] for line in own) <= 200
        assert sum(line["bytes"] for line in all_own[: len(own) + 1]) > 200


def test_empty_documents_have_no_bits_and_no_weight(tmp_path):
    with write_store(tmp_path / "stores" / "x.heldout", end_id=0) as writer:
        writer.add(np.array([], dtype=np.uint16), 0)
        writer.add(np.array([5, 6]), 4)
    with write_store(tmp_path / "stores" / "y.heldout", end_id=0) as writer:
        writer.add(np.array([], dtype=np.uint16), 0)
    found = heldout_documents(tmp_path, None)
    assert list(found) == ["x"], "a source without bytes cannot be measured"
    assert [list(tokens) for tokens in found["x"].documents] == [[], [5, 6]]
    assert len(take_documents(TokenStore(tmp_path / "stores" / "x.heldout"), 1).documents) == 1


def test_a_model_by_path(root):
    path = str(root / "trained" / "model")
    here = drive.context(root, "path")
    run(here, PerplexityConfig(device="cpu", model=path))
    ours = read_json(here.directory / "results.json")
    assert ours[0]["model"] == path


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        (None, {}, "give a `model`"),
        ("trained", {"window": 17}, "more than the model's 16 positions"),
        ("nowhere", {}, "no such folder"),
    ],
)
def test_mistakes_are_one_line(root, model, settings, says):
    with pytest.raises(UserError, match=says) as caught:
        measured(root, "mistake", model=model, **settings)
    assert "\n" not in str(caught.value)


def test_no_held_out_documents(tmp_path):
    with pytest.raises(UserError, match="no held-out documents"):
        run(drive.context(tmp_path, "none"), PerplexityConfig())


def test_settings(root):
    with pytest.raises(ValidationError):
        PerplexityConfig(window=0)
    assert expect(PerplexityConfig()) == "bits per byte on all bytes of every held-out source"
    assert "at most 0.2 MB" in expect(PerplexityConfig(max_bytes_per_source=200_000))
