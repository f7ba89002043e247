"""The train stage: learns, continues after any kill in the same bytes, shards without a change."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mathlm.core.errors import MachineError, UserError
from mathlm.core.storage import read_json
from mathlm.models import ModelSizes, load_model
from mathlm.tokens.tokenizer import save, train_bpe
from mathlm.training import loop
from mathlm.training.checkpoint import committed, newest_checkpoint
from mathlm.training.config import TrainConfig
from mathlm.training.stage import run

DRIVE = Path(__file__).with_name("drive.py")
_spec = importlib.util.spec_from_file_location("drive", DRIVE)
drive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drive)
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    drive.make_tokens(folder / "tokens")
    return folder


@pytest.fixture(scope="module")
def whole(root):
    """A run that nothing interrupted, all of its checkpoints kept."""
    return drive.train(root, "uninterrupted", keep_checkpoints=99)


def driven(*arguments, **environment):
    """The JSON line that `drive.py` prints."""
    done = subprocess.run(
        [sys.executable, str(DRIVE), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(DRIVE.parents[2] / "src")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def metrics(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def copied(whole, target, *, upto):
    """A run as a kill after the checkpoint of step `upto` leaves it, with later metrics."""
    for path in sorted(whole.rglob("*")):
        part = path.relative_to(whole)
        late = (
            part.parts[0] == "checkpoints" and part.parts[1:] and part.parts[1] > f"step-{upto:06}"
        )
        if path.is_file() and not late and part.parts[0] in ("checkpoints", "metrics.jsonl"):
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            (target / part).write_bytes(path.read_bytes())
    return target


def test_it_learns_and_says_so(root):
    directory = drive.train(root, "learning", steps=120, weights={"a": 1}, validate_every=40)
    lines = metrics(directory)
    assert [line["step"] for line in lines] == list(range(121))
    assert lines[1]["loss"] > 5
    assert lines[-1]["loss"] < 2
    bits = [line["bits_per_byte"] for line in lines if "bits_per_byte" in line]
    assert [line["step"] for line in lines if "bits_per_byte" in line] == [0, 40, 80, 120]
    assert bits[-1]["a"] < 0.5 * bits[0]["a"], "counting is learned"
    assert bits[-1]["b"] > 0.9 * bits[0]["b"], "noise is not"
    assert not any("seconds" in key or "_s" in key for line in lines for key in line)


def test_what_it_writes(root, whole):
    assert {path.name for path in whole.iterdir()} == {
        "checkpoints",
        "logs",
        "metrics.jsonl",
        "model",
        "summary.json",
    }
    model = load_model(whole / "model")
    summary = read_json(whole / "summary.json")
    assert summary["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert summary["tokens"] == 12 * 128
    assert sum(share["sequences"] for share in summary["sources"].values()) == 96
    assert metrics(whole)[1].keys() == {"step", "tokens", "loss", "lr", "grad_norm"}
    assert metrics(whole)[12]["lr"] == pytest.approx(0.01 * 0.033)
    assert read_json(whole / "logs" / "path.json")["processes"] == 1


def test_the_first_loss_is_the_batchs_own(root, whole):
    from mathlm.models import create_llama, load_tokenizer
    from mathlm.models.check import vocabulary_size
    from mathlm.tokens.mixture import Mixture
    from mathlm.tokens.store import find_stores

    stores = find_stores(root / "tokens", "train")
    weights = {name: float(store.num_tokens) for name, store in stores.items()}
    mixture = Mixture(stores, weights, sequence_length=16, seed=1)
    ids = torch.from_numpy(np.stack([mixture.sample(index) for index in range(8)]))
    tokenizer = load_tokenizer(root / "tokens" / "tokenizer")
    model = create_llama(
        drive.SMALL["model"], vocab_size=vocabulary_size(tokenizer), seed=1, max_positions=16
    )
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    assert metrics(whole)[1]["loss"] == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("upto", [0, 3, 6, 9, 12])
def test_continues_from_any_checkpoint_in_the_same_bytes(root, whole, upto):
    directory = copied(whole, root / f"continued-{upto}", upto=upto)
    newest = newest_checkpoint(directory / "checkpoints")
    assert (newest is None) == (upto == 0)
    drive.train(root, directory.name)
    assert drive.result(directory) == drive.result(whole)
    assert [path.name for path in committed(directory / "checkpoints")] == [
        "step-000009",
        "step-000012",
    ]
    again = (directory / "model" / "model.safetensors").stat().st_mtime_ns
    drive.train(root, directory.name)
    assert (directory / "model" / "model.safetensors").stat().st_mtime_ns == again, "nothing to do"


def test_a_damaged_checkpoint_is_passed_over(root, whole):
    directory = copied(whole, root / "damaged", upto=9)
    shard = directory / "checkpoints" / "step-000009" / "__0_0.distcp"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))
    assert newest_checkpoint(directory / "checkpoints").name == "step-000006"
    drive.train(root, "damaged")
    assert drive.result(directory) == drive.result(whole)
    copied(whole, root / "damaged-too", upto=9)
    (root / "damaged-too/checkpoints/step-000009/__0_0.distcp").write_bytes(bytes(data))
    drive.train(root, "damaged-too", checkpoint_every=1, keep_checkpoints=1)
    assert drive.result(root / "damaged-too") == drive.result(whole)


def test_a_half_written_or_half_removed_checkpoint_is_swept_away(root, whole):
    directory = copied(whole, root / "torn", upto=6)
    (directory / "checkpoints" / "step-000003" / "manifest.json").unlink()
    (directory / "checkpoints" / "step-000009.part").mkdir()
    drive.train(root, "torn")
    assert drive.result(directory) == drive.result(whole)
    left = sorted(path.name for path in (directory / "checkpoints").iterdir())
    assert left == ["step-000009", "step-000012"]


def test_other_settings_do_not_continue(root, whole):
    copied(whole, root / "other", upto=3)
    with pytest.raises(UserError, match="other settings"):
        drive.train(root, "other", learning_rate=0.02)
    drive.train(root, "other", checkpoint_every=5)
    assert drive.result(root / "other") == drive.result(whole), "a neutral setting is no other"


def test_killed_at_random_times(root):
    outcome = driven("kill", root, 4, 1)
    assert outcome["equal"] == outcome["attempts"] == 4
    assert outcome["killed"] >= 2


@pytest.mark.slow
def test_killed_at_random_times_often(root):
    outcome = driven("kill", root, 60, 2)
    assert outcome["equal"] == outcome["attempts"] == 60


@pytest.mark.slow
def test_dies_before_each_change_of_a_file(root):
    outcome = driven("crash", root, 1)
    assert outcome["points"] > 50
    assert outcome["equal"] == outcome["points"]


def test_micro_batches_do_not_change_the_gradient(root, whole):
    directory = drive.train(root, "micro", micro_batch_tokens=48)
    for one, other in zip(metrics(directory)[1:], metrics(whole)[1:], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)


def test_two_processes_train_as_one(root, whole):
    settings = json.dumps({"keep_checkpoints": 99})
    assert driven("world", root, 2, SETTINGS=settings)["status"] == [0, 0]
    sharded = root / "sharded"
    ours, theirs = metrics(sharded), metrics(whole)
    assert [line["loss"] for line in ours[1:]] == pytest.approx(
        [line["loss"] for line in theirs[1:]], abs=1e-5
    )
    assert len(list((sharded / "checkpoints" / "step-000003").glob("*.distcp"))) == 2
    assert read_json(sharded / "logs" / "path.json")["processes"] == 2
    # what two wrote, one reads: continued from the shards of step 3
    one = copied(sharded, root / "resharded", upto=3)
    drive.train(root, "resharded")
    assert [line["loss"] for line in metrics(one)[1:]] == pytest.approx(
        [line["loss"] for line in theirs[1:]], abs=1e-5
    )
    assert metrics(one)[:3] == ours[:3], "lines before the checkpoint are those of the two"
    mine, base = load_model(sharded / "model"), load_model(whole / "model")
    for a, b in zip(mine.parameters(), base.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_continued_pretraining_starts_from_the_weights_with_a_new_warm_up(root, whole):
    here = drive.context(root, "more", checkpoint=whole)
    settings = {**drive.SMALL, "model": None, "weights": {"a": 1}, "steps": 6}
    run(here, TrainConfig(**settings))
    lines = metrics(here.directory)
    assert lines[0]["bits_per_byte"] == metrics(whole)[-1]["bits_per_byte"]
    assert [line["lr"] for line in lines[1:4]] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])
    assert read_json(here.directory / "summary.json")["from"] == "uninterrupted"
    # the same from the folder, as a user of another's model would
    elsewhere = drive.context(root, "elsewhere")
    run(elsewhere, TrainConfig(**settings, base=str(whole / "model")))
    assert metrics(elsewhere.directory) == lines


def test_a_checkpoint_of_another_tokenizer_is_refused(root, whole, tmp_path):
    drive.make_tokens(tmp_path / "tokens")
    save(train_bpe(["abab" * 9], vocab_size=300), tmp_path / "tokens" / "tokenizer")
    here = drive.context(tmp_path, "other", checkpoint=whole)
    with pytest.raises(UserError, match="different tokenizers"):
        run(here, TrainConfig(**{**drive.SMALL, "model": None}))
    elsewhere = drive.context(tmp_path, "another")
    with pytest.raises(UserError, match="different tokenizers"):
        run(elsewhere, TrainConfig(**{**drive.SMALL, "model": None, "base": str(whole / "model")}))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": None}, "exactly one of"),
        ({"weights": {"web": 1}}, "only: a, b"),
        ({"model": None, "base": "/no/such/model"}, "no such folder"),
        ({"sequence_length": 64, "model": ModelSizes(hidden=32, max_positions=32)}, "32 positions"),
        ({"device": "cuda"}, "no CUDA device"),
    ],
)
def test_mistakes_are_one_line(root, settings, says):
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UserError, match=says) as caught:
        drive.train(root, "mistake", **settings)
    assert "\n" not in str(caught.value)
    assert not (root / "mistake" / "model").exists()


def test_a_loss_that_is_no_number_stops_the_run(root, monkeypatch):
    original = loop.train_step

    def poisoned(work, step):
        outcome = original(work, step)
        if step == 5:
            return loop.Outcome(step, outcome.loss * float("nan"), outcome.grad_norm)
        return outcome

    monkeypatch.setattr(loop, "train_step", poisoned)
    with pytest.raises(MachineError, match=r"step 5: loss nan; the batch was samples 32 to 39"):
        drive.train(root, "nan")
    noted = read_json(root / "nan" / "logs" / "diverged.json")
    assert sorted(index for indices in noted["samples"].values() for index in indices) == list(
        range(32, 40)
    )
    assert [path.name for path in committed(root / "nan" / "checkpoints")] == ["step-000003"]
    assert not (root / "nan" / "model").exists()


def test_a_rate_that_is_far_too_high_is_noticed(root):
    with pytest.raises(MachineError, match="training stopped at step"):
        drive.train(root, "wild", learning_rate=1e30, clip=0, steps=40)


def test_global_settings_are_put_back(root):
    torch.set_num_threads(2)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    try:
        drive.train(root, "clean", steps=2)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(1)


def test_bfloat16_arithmetic_is_close(root, whole):
    directory = drive.train(root, "bfloat16", dtype="bfloat16", steps=6, save_dtype="bfloat16")
    assert metrics(directory)[1]["loss"] == pytest.approx(metrics(whole)[1]["loss"], rel=0.01)
    assert load_model(directory / "model", dtype="bfloat16").dtype == torch.bfloat16


@pytest.mark.parametrize("mode", ["selective", "full"])
def test_recomputed_activations_train_alike(root, whole, mode):
    directory = drive.train(root, mode, activation_checkpointing=mode)
    assert [line["loss"] for line in metrics(directory)[1:]] == pytest.approx(
        [line["loss"] for line in metrics(whole)[1:]], abs=1e-4
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_run_continues_in_the_same_bytes(root, whole):
    whole_compiled = drive.train(root, "compiled", compile=True, keep_checkpoints=99)
    assert [line["loss"] for line in metrics(whole_compiled)[1:]] == pytest.approx(
        [line["loss"] for line in metrics(whole)[1:]], abs=1e-4
    )
    torch._dynamo.reset()
    copied(whole_compiled, root / "compiled-again", upto=6)
    drive.train(root, "compiled-again", compile=True)
    assert drive.result(root / "compiled-again") == drive.result(whole_compiled)
