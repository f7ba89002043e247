"""The planner against published runs and counts; the command over the project's own recipe."""

import argparse
import json

import pytest

from mathlm.cli import plan as command
from mathlm.core.errors import UserError
from mathlm.models.sizes import ModelSizes
from mathlm.training.config import TrainConfig
from mathlm.training.devices import DEVICES
from mathlm.training.plan import KNOWN_MODELS, estimate, parse_hardware

LLEMMA = {
    "steps": 42_000,
    "batch_tokens": 4_194_304,
    "sequence_length": 4096,
    "micro_batch_tokens": 16_384,
    "activation_checkpointing": "full",
}


def planned(base, hardware, **settings):
    sizes, vocab_size = KNOWN_MODELS[base]
    config = TrainConfig(**LLEMMA | settings)
    return estimate(sizes, vocab_size, config, parse_hardware(hardware))


def test_llemma_7b_took_about_23_000_a100_hours():
    found = planned("codellama/CodeLlama-7b-hf", "a100-40:256")
    assert found.parameters == 6_738_546_688
    assert found.tokens == 176_160_768_000
    assert found.device_hours == pytest.approx(23_000, rel=0.15)
    assert found.fits


def test_one_h200_holds_a_7b_with_a_short_micro_batch_and_no_longer_one():
    short = {"micro_batch_tokens": 4096, "activation_checkpointing": "none"}
    assert planned("codellama/CodeLlama-7b-hf", "h200:1", **short).fits
    assert not planned("codellama/CodeLlama-7b-hf", "h100:1", **short).fits
    long = short | {"micro_batch_tokens": 32_768}
    assert not planned("codellama/CodeLlama-7b-hf", "h200:1", **long).fits
    # training.md §3: fp32 weights, gradients and moments alone are 100.4 GiB
    state = planned("codellama/CodeLlama-7b-hf", "h200:1", dtype="float32", micro_batch_tokens=2)
    assert state.memory_gib > 100.4


def test_34b_needs_several_devices():
    assert KNOWN_MODELS["codellama/CodeLlama-34b-hf"][0].parameters(32_000) == 33_743_970_304
    assert not planned("codellama/CodeLlama-34b-hf", "h200:1").fits
    assert planned("codellama/CodeLlama-34b-hf", "h200:8").memory_gib > (
        planned("codellama/CodeLlama-34b-hf", "h200:64").memory_gib
    )


def test_more_devices_are_faster_and_recomputation_is_smaller_but_slower():
    one, eight = (planned("codellama/CodeLlama-7b-hf", f"h200:{n}") for n in (1, 8))
    assert eight.tokens_per_s == pytest.approx(8 * one.tokens_per_s)
    assert eight.device_hours == pytest.approx(one.device_hours)
    modes = [
        planned("codellama/CodeLlama-7b-hf", "h200:8", activation_checkpointing=mode)
        for mode in ("none", "selective", "full")
    ]
    assert [m.memory_gib for m in modes] == sorted((m.memory_gib for m in modes), reverse=True)
    assert [m.hours for m in modes] == sorted(m.hours for m in modes)


@pytest.mark.parametrize("text", ["h900", "h200:0", "h200:x", "", "h200:-1"])
def test_unknown_hardware_is_refused(text):
    with pytest.raises(UserError):
        parse_hardware(text)


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie"),
    ],
)
def test_drivers_names_are_known(driver, name):
    assert next(device for device in DEVICES.values() if device.name in driver) is DEVICES[name]


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(
        """
name = "planned"
[stage.corpus]
kind = "corpus"
sources.general = { kind = "text", max_bytes = 1000 }
[stage.tokens]
kind = "tokens"
needs = { documents = "corpus" }
vocab_size = 1000
[stage.new]
kind = "train"
needs = { tokens = "tokens" }
model = { layers = 2, hidden = 64, heads = 1 }
steps = 100
[stage.more]
kind = "train"
needs = { tokens = "tokens", checkpoint = "new" }
steps = 50
[stage.big]
kind = "train"
needs = { tokens = "tokens" }
base = "codellama/CodeLlama-7b-hf"
steps = 10
"""
    )
    return path


def said(capsys, recipe, *overrides, as_json=True):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = [str(recipe), *overrides, *(["--json"] if as_json else [])]
    assert command.run(parser.parse_args(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def test_the_command_plans_each_training_stage(recipe, capsys):
    out = said(capsys, recipe, "hardware=h200:8", "price=2.5", "stage.new.steps=1000")
    new, more, big = (json.loads(line) for line in out)
    assert (new["stage"], more["stage"], big["stage"]) == ("new", "more", "big")
    small = ModelSizes(layers=2, hidden=64, heads=1).parameters(1000)
    assert new["parameters"] == more["parameters"] == small
    assert new["tokens"] == 1000 * 2048
    assert big["parameters"] == 6_738_546_688
    assert big["cost"] == pytest.approx(2.5 * big["device_hours"], abs=0.03)
    text = "\n".join(said(capsys, recipe, as_json=False))
    assert "CPU core x 1" in text
    assert "fits" in text


def test_a_base_may_be_a_folder(recipe, tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    numbers = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 2,
        "intermediate_size": 96,
        "vocab_size": 50,
    }
    (folder / "config.json").write_text(json.dumps(numbers))
    big = json.loads(said(capsys, recipe, f"stage.big.base={folder}")[2])
    sizes = ModelSizes(layers=2, hidden=64, heads=2, intermediate=96)
    assert big["parameters"] == sizes.parameters(50)
    (folder / "config.json").write_text('{"hidden_size": 1}')
    with pytest.raises(UserError, match="not the config"):
        said(capsys, recipe, f"stage.big.base={folder}")


@pytest.mark.parametrize("override", ["price=much", "hardware=abacus", "stage.big.base=nobody/x"])
def test_mistakes_are_the_users(recipe, override):
    with pytest.raises(UserError):
        command.run(argparse.Namespace(recipe=str(recipe), overrides=[override], json=True))


def test_a_recipe_that_trains_nothing_says_so(tmp_path, capsys):
    recipe = tmp_path / "corpus.toml"
    recipe.write_text(
        'name = "corpus"\n[stage.corpus]\nkind = "corpus"\n'
        'sources.web = { kind = "warc", files = ["a.warc.gz"] }\n'
    )
    (line,) = said(capsys, recipe, as_json=False)
    assert "no stage of this recipe trains" in line
    assert said(capsys, recipe) == []
