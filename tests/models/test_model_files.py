"""Models on disk: there and back, the same bytes, and every refusal in one line."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from mathlm.core.errors import UserError
from mathlm.core.storage import changed_files
from mathlm.models import (
    ModelSizes,
    check_model,
    create_llama,
    load_model,
    load_tokenizer,
    save_model,
)
from mathlm.tokens.tokenizer import save as save_tokenizer
from mathlm.tokens.tokenizer import train_bpe

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "tokenizer"
    save_tokenizer(train_bpe(["0123 abc"], vocab_size=260), folder)
    return folder


@pytest.fixture(scope="module")
def model():
    return create_llama(ModelSizes(layers=2, hidden=16, heads=2), vocab_size=260, seed=0)


@pytest.fixture(scope="module")
def saved(model, tokenizer_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(model, tokenizer_dir, folder)
    return folder


def test_there_and_back(model, saved, capfd):
    again = load_model(saved)
    assert not again.training
    ids = torch.arange(12)[None]
    assert torch.equal(
        model(input_ids=ids, use_cache=False).logits, again(input_ids=ids, use_cache=False).logits
    )
    assert capfd.readouterr() == ("", ""), "no bars, no warnings"


def test_transformers_reads_it(saved):
    theirs = AutoModelForCausalLM.from_pretrained(saved, local_files_only=True)
    ours = load_model(saved)
    assert all(
        torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True)
    )


def test_same_weights_same_bytes(model, saved, tokenizer_dir, tmp_path):
    save_model(model, tokenizer_dir, tmp_path / "again")
    for path in sorted(saved.iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    assert changed_files(saved) == []
    assert {"tokenizer.json", "tokenizer_config.json"} <= {path.name for path in saved.iterdir()}


def test_other_type_on_disk_and_in_memory(model, saved, tokenizer_dir, tmp_path):
    save_model(model, tokenizer_dir, tmp_path / "half", dtype=torch.bfloat16)
    stored = load_file(tmp_path / "half" / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.bfloat16}
    assert load_model(saved, dtype="bfloat16").dtype == torch.bfloat16


def test_a_failed_save_leaves_what_was_there(model, saved, monkeypatch):
    before = (saved / "model.safetensors").read_bytes()
    monkeypatch.setattr(type(model), "save_pretrained", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(model, "/nowhere", saved)
    assert (saved / "model.safetensors").read_bytes() == before
    assert changed_files(saved) == []


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("/no/such/folder", "no such folder"),
        ("./nor/this", "no such folder"),
        ("nobody/nothing", "neither a folder nor in the local"),
        ("not a name/at/all", "neither a folder nor in the local"),
    ],
)
@pytest.mark.parametrize("load", [load_model, load_tokenizer])
def test_missing_is_one_line(where, says, load):
    with pytest.raises(UserError, match=says) as caught:
        load(where)
    assert "\n" not in str(caught.value)


def damaged(saved, folder, change):
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    change(folder)
    return folder


def lose_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def reshape(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(8)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def pickle_only(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def remote_code(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('ran')")


def cut(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def not_json(folder):
    (folder / "config.json").write_text("{")


def empty(folder):
    (folder / "config.json").unlink()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change", [lose_a_weight, reshape, pickle_only, remote_code, cut, not_json, empty]
)
def test_damaged_folders_are_refused_in_one_line(saved, tmp_path, change):
    with pytest.raises(UserError) as caught:
        load_model(damaged(saved, tmp_path / "bad", change))
    assert "\n" not in str(caught.value)


def test_check_passes_what_belongs_together(model, tokenizer_dir):
    check_model(model, load_tokenizer(tokenizer_dir))


def test_check_refuses_a_small_embedding(tokenizer_dir):
    tokenizer = load_tokenizer(tokenizer_dir)
    size = len(tokenizer)
    small = create_llama(ModelSizes(layers=1, hidden=16, heads=2), vocab_size=size - 1, seed=0)
    with pytest.raises(UserError, match=f"{size} tokens but the model's embedding only {size - 1}"):
        check_model(small, tokenizer)


def test_check_refuses_damaged_weights(tokenizer_dir):
    model = create_llama(ModelSizes(layers=1, hidden=16, heads=2), vocab_size=260, seed=0)
    with torch.no_grad():
        model.lm_head.weight[5, 5] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        check_model(model, load_tokenizer(tokenizer_dir))
