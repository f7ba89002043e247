"""What only a CUDA device shows: bfloat16, compilation, the same bits on request, sharding."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mathlm.core.storage import read_json

DRIVE = Path(__file__).with_name("drive.py")
_spec = importlib.util.spec_from_file_location("drive", DRIVE)
drive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drive)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    drive.make_tokens(folder / "tokens")
    return folder


def trained(root, folder, **settings):
    directory = drive.train(root, folder, **{"device": "cuda", "compile": False} | settings)
    lines = (directory / "metrics.jsonl").read_text().splitlines()[1:]
    return directory, [json.loads(line)["loss"] for line in lines]


def test_float32_is_as_on_the_cpu(root):
    _, ours = trained(root, "cuda32", dtype="float32")
    _, theirs = trained(root, "cpu32", device="cpu")
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_bfloat16_learns_as_float32_does(root):
    directory, half = trained(root, "half", steps=100, weights={"a": 1})
    _, full = trained(root, "full", steps=100, weights={"a": 1}, dtype="float32")
    assert read_json(directory / "logs" / "path.json")["dtype"] == "torch.bfloat16"
    assert half[-1] == pytest.approx(full[-1], abs=0.2)


def test_compiled_is_as_eager(root):
    directory, compiled = trained(root, "compiled", compile="auto")
    _, eager = trained(root, "eager")
    assert read_json(directory / "logs" / "path.json")["compiled"]
    assert compiled == pytest.approx(eager, abs=0.05)


def test_deterministic_runs_give_the_same_bits(root):
    one, _ = trained(root, "one", deterministic=True)
    other, _ = trained(root, "other", deterministic=True)
    assert drive.result(one) == drive.result(other)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_train_as_one(root):
    settings = json.dumps({"device": "cuda", "dtype": "float32", "compile": False})
    done = subprocess.run(
        [sys.executable, str(DRIVE), "world", str(root), "2"],
        env=os.environ | {"SETTINGS": settings, "PYTHONPATH": str(DRIVE.parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == [0, 0]
    _, one = trained(root, "single", dtype="float32")
    lines = (root / "sharded" / "metrics.jsonl").read_text().splitlines()[1:]
    assert [json.loads(line)["loss"] for line in lines] == pytest.approx(one, abs=1e-3)
