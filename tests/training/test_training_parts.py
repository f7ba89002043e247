"""Objective, optimizer, batches, guard, speed: each against an independent calculation."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import LlamaConfig

from mathlm.core.errors import MachineError, UserError
from mathlm.core.world import World, choose_device
from mathlm.models import ModelSizes, create_llama
from mathlm.training.config import TrainConfig, expect
from mathlm.training.data import TokenBatches, weights_of
from mathlm.training.guard import LossGuard, batch_description, divergence
from mathlm.training.metrics import MetricsFile, SpeedLog
from mathlm.training.objectives import Batch, language_modelling
from mathlm.training.optimizer import make_optimizers, scale_and_clip
from mathlm.training.parallel import decoder_layers
from mathlm.training.setup import checkpoint_activations, compiles
from mathlm.training.speed import flops_per_token, measured_peak, peak_memory_mib

CPU = torch.device("cpu")
SIZES = ModelSizes(layers=2, hidden=16, heads=2)
torch.set_num_threads(1)


def tiny():
    return create_llama(SIZES, vocab_size=40, seed=0, max_positions=32)


def tokens(rows=3, length=9):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 40, (rows, length)))


def test_language_modelling_is_transformers_own_loss():
    model, ids = tiny(), tokens()
    total, weight, _ = language_modelling(model, Batch(ids))
    # transformers shifts labels itself and takes the mean
    theirs = model(input_ids=ids, labels=ids, use_cache=False).loss
    assert weight.item() == 24
    assert (total / weight).item() == pytest.approx(theirs.item(), rel=1e-6)


def test_weights_choose_targets():
    model, ids = tiny(), tokens()
    weights = torch.zeros(3, 8)
    weights[1, 2:5] = torch.tensor([1.0, 0.5, 2.0])
    total, weight, _ = language_modelling(model, Batch(ids, weights))
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits.log_softmax(-1)
    expected = sum(-weights[1, t] * logits[1, t, ids[1, t + 1]] for t in range(2, 5))
    assert weight.item() == 3.5
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)


def test_all_ones_weights_change_nothing():
    model, ids = tiny(), tokens()
    plain = language_modelling(model, Batch(ids))
    weighted = language_modelling(model, Batch(ids, torch.ones(3, 8)))
    assert [value.item() for value in plain[:2]] == pytest.approx(
        [value.item() for value in weighted[:2]]
    )


def test_decay_groups():
    model = tiny()
    (optimizer,) = make_optimizers(model, TrainConfig(steps=1, weight_decay=0.3))
    decayed, others = optimizer.param_groups
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert all("norm" in names[id(weight)] for weight in others["params"])
    assert "model.embed_tokens.weight" in {names[id(weight)] for weight in decayed["params"]}
    assert len(decayed["params"]) + len(others["params"]) == len(names)
    assert decayed["betas"] == (0.9, 0.95)


@pytest.mark.parametrize(("scale", "clip"), [(1.0, 0.01), (0.5, 1e6), (3.0, 1.0), (2.0, 0.0)])
def test_scale_and_clip_is_torchs_clip_after_scaling(scale, clip):
    ours, theirs = tiny(), tiny()
    for model in (ours, theirs):
        language_modelling(model, Batch(tokens()))[0].backward()
    norm = scale_and_clip(ours.parameters(), torch.tensor(scale), clip)
    for weight in theirs.parameters():
        weight.grad *= scale
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip or float("inf"))
    assert norm.item() == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-9)


class Counting:
    """Samples that hold their own index."""

    def sample(self, index):
        return np.full(4, index)

    def source_of(self, index):
        return "ab"[index % 2]


@given(
    st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, 5).map(n.__mul__))),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_processes_share_a_step_without_gap_or_overlap(sizes, micro, step):
    size, batch = sizes
    seen = []
    for rank in range(size):
        world = World(rank, size, CPU)
        batches = TokenBatches(Counting(), batch, micro_sequences=micro, world=world)
        pieces = list(batches.micro_batches(step))
        assert all(1 <= len(piece.tokens_BT) <= micro for piece in pieces)
        seen += [int(row[0]) for piece in pieces for row in piece.tokens_BT]
        assert list(batches.span(step)) == list(range((step - 1) * batch, step * batch))
    assert seen == list(range((step - 1) * batch, step * batch))


class Sized:
    """A store of so many tokens."""

    def __init__(self, num_tokens):
        self.num_tokens = num_tokens


def test_weights_of_sources():
    stores = {"a": Sized(30), "b": Sized(10), "c": Sized(5)}
    assert weights_of(TrainConfig(steps=1), stores) == {"a": 30, "b": 10, "c": 5}
    assert weights_of(TrainConfig(steps=1, weights={"b": 2, "a": 0}), stores) == {"b": 2}
    with pytest.raises(UserError, match=r"'d'.*only: a, b, c"):
        weights_of(TrainConfig(steps=1, weights={"d": 2}), stores)
    with pytest.raises(UserError, match="weight 0"):
        weights_of(TrainConfig(steps=1, weights={"a": 0}), stores)
    with pytest.raises(UserError, match="no stores"):
        weights_of(TrainConfig(steps=1), {})


def test_spikes_stand_out():
    guard = LossGuard()
    noise = np.random.default_rng(0).normal(3, 0.05, 400)
    assert not any(guard.is_spike(float(loss)) for loss in noise)
    assert guard.is_spike(4.5)
    assert not guard.is_spike(3.0)
    assert not LossGuard().is_spike(99.0), "there is nothing to stand out from yet"


def test_divergence_names_step_samples_and_sources():
    assert batch_description(range(8, 12), ["a", "b", "a", "a"]) == {
        "first_sample": 8,
        "last_sample": 11,
        "samples": {"a": [8, 10, 11], "b": [9]},
    }
    error = divergence(
        3, loss=float("nan"), grad_norm=1.0, span=range(8, 12), sources=["a", "b", "a", "a"]
    )
    assert isinstance(error, MachineError)
    assert "step 3: loss nan; the batch was samples 8 to 11 (a 3, b 1)" in str(error)
    error = divergence(3, loss=1.0, grad_norm=float("inf"), span=range(1), sources=["a"])
    assert "gradient norm inf" in str(error)


def test_metrics_are_cut_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, size=0)
    metrics.write({"step": 1})
    size = metrics.commit()
    metrics.write({"step": 2})
    metrics.close()
    path.write_bytes(path.read_bytes() + b'{"torn')
    again = MetricsFile(path, size=size)
    again.write({"step": 22})
    again.close()
    assert path.read_text() == '{"step": 1}\n{"step": 22}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        again.write({"loss": float("nan")})


def test_speed_is_tokens_over_time(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    log = SpeedLog(tmp_path, flops_per_token=10.0, peak=10_000.0, peak_origin="table")
    for step in range(1, 5):
        clock[0] += 0.5
        log.count(step, 100, memory_mib=7.0)
    log.note_spike({"step": 4})
    lines = [json.loads(line) for line in (tmp_path / "speed.jsonl").read_text().splitlines()]
    assert [(line["step"], line["tokens_per_s"], line["mfu"]) for line in lines] == [
        (2, 200.0, 0.2),
        (4, 200.0, 0.2),
    ]
    assert json.loads((tmp_path / "spikes.jsonl").read_text()) == {"step": 4}


def test_flops_of_code_llama_7b_are_the_published_46_gflop():
    config = LlamaConfig(
        vocab_size=32_016, hidden_size=4096, num_hidden_layers=32, tie_word_embeddings=False
    )
    with torch.device("meta"):
        sizes = ModelSizes(layers=32, hidden=4096, heads=32, intermediate=11008)
        model = torch.nn.Linear(1, sizes.parameters(32_016), bias=False)
    assert flops_per_token(model, config, 4096) == pytest.approx(46.1e9, rel=2e-3)


def test_device_figures_are_there():
    assert measured_peak(CPU) > 1e8
    assert peak_memory_mib(CPU) > 10
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_refused():
    with pytest.raises(UserError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto") == CPU


def test_decoder_layers_are_found():
    model = tiny()
    assert decoder_layers(model) is model.model.layers
    with pytest.raises(UserError, match="no list of layers"):
        decoder_layers(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("mode", ["selective", "full"])
def test_recomputed_activations_give_the_same_gradients(mode):
    plain, spare = tiny().train(), tiny().train()
    checkpoint_activations(spare, mode)
    for model in (plain, spare):
        language_modelling(model, Batch(tokens()))[0].backward()
    for one, other in zip(plain.parameters(), spare.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-7)


def test_when_to_compile(monkeypatch):
    cpu, cuda = World(0, 1, CPU), World(0, 1, torch.device("cuda"))
    auto = TrainConfig(steps=1)
    assert compiles(auto, cuda, 1.0)[0]
    assert not compiles(auto, cpu, 1e12)[0]
    assert compiles(auto, cpu, 1e18)[0]
    assert not compiles(TrainConfig(steps=1, compile=False), cuda, 1e18)[0]
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not compiles(auto, cpu, 1e18)[0]
    with pytest.raises(UserError, match=r"C\+\+ compiler"):
        compiles(TrainConfig(steps=1, compile=True), cpu, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_tokens": 100, "sequence_length": 64},
        {"model": {}, "base": "somewhere"},
        {"weights": {"a": -1}},
        {"weights": {"a": float("nan")}},
        {"steps": 0},
        {"schedule": "none"},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        TrainConfig(**{"steps": 1} | wrong)


def test_what_to_expect_is_one_line():
    assert expect(TrainConfig(steps=1000, model=SIZES)) == (
        "1000 steps x 2048 tokens = 2.05 M tokens of a new model, 2 layers x 16"
    )
    assert expect(TrainConfig(steps=1, base="x")).endswith("from x")
    assert expect(TrainConfig(steps=1)).endswith("from a checkpoint")
