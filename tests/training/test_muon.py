"""Muon beside AdamW: which weights it takes, resumption to the byte, two processes."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mathlm.models.create import create_llama
from mathlm.models.sizes import ModelSizes
from mathlm.training.config import TrainConfig
from mathlm.training.muon import Muon, orthogonal
from mathlm.training.optimizer import make_optimizers

DRIVE = Path(__file__).with_name("drive.py")
_spec = importlib.util.spec_from_file_location("drive_muon", DRIVE)
drive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drive)
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("muon")
    drive.make_tokens(folder / "tokens")
    return folder


@pytest.fixture(scope="module")
def whole(root):
    return drive.train(root, "whole", optimizer="muon", keep_checkpoints=99)


@pytest.mark.parametrize("tied", [False, True])
def test_every_weight_has_one_optimizer_and_embeddings_are_not_muons(tied):
    sizes = ModelSizes(layers=2, hidden=32, heads=2, intermediate=64, tied=tied)
    model = create_llama(sizes, vocab_size=300, seed=0)
    muon, adamw = make_optimizers(model, TrainConfig(steps=1, optimizer="muon"))
    names = {id(weight): name for name, weight in model.named_parameters()}
    taken = [names[id(w)] for part in (muon, adamw) for g in part.param_groups for w in g["params"]]
    assert sorted(taken) == sorted(names.values())
    mine = {names[id(weight)] for group in muon.param_groups for weight in group["params"]}
    assert mine == {name for name in names.values() if "proj" in name}


def gradients(steps=6):
    torch.manual_seed(0)
    return [torch.randn(24, 40) * 10 ** torch.linspace(-1, 0, 40) for _ in range(steps)]


@pytest.mark.parametrize("tall", [False, True])
def test_updates_are_those_of_torchs_muon_but_for_bfloat16(tall):
    ours, theirs = (
        torch.nn.Parameter(torch.ones(40, 24) if tall else torch.ones(24, 40)) for _ in "ab"
    )
    settings = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95}
    optimizers = (
        Muon([ours], **settings),
        torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **settings),
    )
    for gradient in gradients():
        for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
            weight.grad = gradient.T.clone() if tall else gradient.clone()
            optimizer.step()
    moved = (theirs - 1).norm()
    assert moved > 0.1
    assert (ours - theirs).norm() < 0.02 * moved


@pytest.mark.parametrize("shape", [(8, 8), (8, 30), (30, 8)])
def test_an_update_is_nearly_orthogonal(shape):
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.6 and values.max() < 1.3
    assert orthogonal(torch.zeros(shape)).abs().max() == 0


def test_only_matrices_are_taken():
    with pytest.raises(ValueError, match="matrices"):
        Muon([torch.nn.Parameter(torch.ones(3))], lr=0.1, weight_decay=0.0)


def test_it_learns_otherwise_than_adamw_and_no_worse(root, whole):
    def losses(directory):
        lines = (directory / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines if "loss" in json.loads(line)]

    adamw = drive.train(root, "adamw")
    assert losses(whole)[-1] < losses(whole)[0]
    assert losses(whole) != losses(adamw)


@pytest.mark.parametrize("upto", [3, 9])
def test_it_continues_in_the_same_bytes(root, whole, upto):
    directory = root / f"continued-{upto}"
    shutil.copytree(whole, directory)
    shutil.rmtree(directory / "model")
    for checkpoint in (directory / "checkpoints").iterdir():
        if int(checkpoint.name.removeprefix("step-")) > upto:
            shutil.rmtree(checkpoint)
    drive.train(root, directory.name, optimizer="muon")
    assert drive.result(directory) == drive.result(whole)


def test_two_processes_give_the_losses_of_one(root, whole):
    done = subprocess.run(
        [sys.executable, str(DRIVE), "world", str(root), "2"],
        env=os.environ
        | {"PYTHONPATH": str(DRIVE.parents[2] / "src")}
        | {"SETTINGS": json.dumps({"optimizer": "muon", "steps": 6})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["status"] == [0, 0], done.stderr
    read = [
        [json.loads(line).get("loss") for line in (d / "metrics.jsonl").read_text().splitlines()]
        for d in (root / "sharded", whole)
    ]
    # one learning-rate schedule is shorter: the first steps, in the warm-up, are the same
    assert read[0][1:4] == pytest.approx(read[1][1:4], abs=1e-4)
