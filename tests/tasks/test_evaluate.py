"""`mathlm evaluate` end to end on a small random model, with the real benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathlm.cli import main
from mathlm.cli.evaluate import recipe_tree
from mathlm.core.errors import UserError
from mathlm.core.records import Completion
from mathlm.core.storage import read_json, read_jsonl
from mathlm.tasks import TASKS
from mathlm.tasks.arithmetic import training_texts

RECIPES = ("llemma-table1", "llemma-table2", "llemma-table3", "mammoth-table")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-layer llama with a byte-pair tokenizer, as any Hugging Face folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model") / "tiny"
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator((text for _, text in training_texts(200, 0)), trainer)
    PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=8192,
        eos_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATHLM_DATA", str(data_dir))
    return data_dir


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_five_problems_twice_then_with_more_samples(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    words = [
        "evaluate", f"model={model}", "tasks=gsm8k,ocw", "limit=5", "max_tokens=6", "shots=1",
        "policies=default,llemma", "solver=cot,program",
    ]  # fmt: skip
    assert main([*words, "samples=2"]) == 0
    shown = capsys.readouterr()
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("evaluate-tiny-")
    assert "gsm8k+python" in shown.out and f"report: {run.relative_to(tmp_path)}" in shown.out
    before = {path.name: path.read_bytes() for path in (run / "solve").glob("*.json*")}
    assert read_json(run / "solve" / "meta.json")["data"]["gsm8k"]["state"] == "known"
    checks = read_json(run / "solve" / "selfcheck.json")
    assert [(c["task"], c["golds"], c["failures"]) for c in checks] == [
        ("gsm8k", 5, 0), ("ocw", 5, 0),
    ]  # fmt: skip
    assert set(read_json(run / "grade" / "meta.json")["ceilings"]) == {"default", "llemma"}

    assert main([*words, "samples=2"]) == 0
    assert capsys.readouterr().err.count("finished before, skipped") == 3
    assert before == {path.name: path.read_bytes() for path in (run / "solve").glob("*.json*")}

    assert main([*words, "samples=4", "--json", "--quiet"]) == 0
    assert list((tmp_path / "runs").iterdir()) == [run]
    rows = lines(capsys.readouterr().out)
    assert {row["metric"] for row in rows} >= {"accuracy", "maj@4"}
    assert {row["n"] for row in rows} == {5}
    made = list(read_jsonl(run / "solve" / "completions.jsonl", Completion))
    assert len(made) == 2 * 5 * 2 * 4
    old = {line for line in before["completions.jsonl"].splitlines()}
    assert old < set((run / "solve" / "completions.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize(
    "name",
    [n if n == "llemma-table3" else pytest.param(n, marks=pytest.mark.slow) for n in RECIPES],
)
def test_a_recipe_of_published_settings_runs(
    name: str, model: Path, data: Path, tmp_path: Path, root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["evaluate", str(root / "recipes" / f"{name}.toml"), f"model={model}", "limit=2"]
    words += ["max_tokens=4", "--out", str(tmp_path / "run"), "--json", "--quiet"]
    assert main([*words, *(["samples=2"] if name == "llemma-table2" else [])]) == 0
    tasks = {row["task"].partition("+")[0] for row in lines(capsys.readouterr().out)}
    assert len(tasks) == {"llemma-table3": 2, "mammoth-table": 9}.get(name, 5)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shows_its_plan_without_data_or_network(
    name: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv("MATHLM_DATA", raising=False)
    out = ["--out", str(tmp_path / "run"), "--dry-run"]
    assert main(["run", str(root / "recipes" / f"{name}.toml"), *out]) == 0
    shown = capsys.readouterr().out
    assert 'prompt = "llemma"' in shown or 'prompt = "mammoth"' in shown
    assert not (tmp_path / "run").exists()


def test_the_published_settings(root: Path) -> None:
    trees = {name: recipe_tree([str(root / "recipes" / f"{name}.toml")]) for name in RECIPES}
    votes = trees["llemma-table2"]["stage"]
    sampling = {
        task: (s["samples"], s["temperature"], s["top_p"], s["max_tokens"])
        for stage in votes.values()
        for task in stage.get("tasks", ())
        for s in stage["solvers"].values()
    }
    assert sampling == {
        "gsm8k": (100, 0.6, 0.95, 1024),
        "ocw": (100, 0.6, 0.95, 1024),
        "mmlu-stem": (16, 0.3, 0.95, 1024),
        "sat": (16, 0.3, 0.95, 1024),
        "math": (256, 0.6, 0.95, 1024),
    }
    for name, tree in trees.items():
        text = (root / "recipes" / f"{name}.toml").read_text()
        assert text.startswith(f"# mathlm evaluate recipes/{name}.toml")
        assert len(text.splitlines()) <= 60
        for stage in tree["stage"].values():
            if stage["kind"] == "grade":
                assert stage["policies"][-1] == "default"


def test_words_make_a_recipe() -> None:
    tree = recipe_tree(
        ["model=my/Llama-7b", "tasks=gsm8k,math", "samples=16", "solver=cot.llemma,program",
         "policies=llemma,default", "limit=100", "seed=3", "stage.report.confidence=0.9",
         "solvers.program.shots=2"]
    )  # fmt: skip
    assert tree["name"] == "evaluate-Llama-7b" and tree["seed"] == 3
    assert tree["stage"]["solve"] == {
        "kind": "solve", "model": "my/Llama-7b", "tasks": ["gsm8k", "math"], "limit": 100,
        "solvers": {
            "cot-llemma": {"kind": "cot", "prompt": "llemma", "max_tokens": 1024, "samples": 16,
                           "temperature": 0.6, "top_p": 0.95},
            "program": {"kind": "program", "max_tokens": 1024, "samples": 16, "shots": 2,
                        "temperature": 0.6, "top_p": 0.95},
        },
    }  # fmt: skip
    assert tree["stage"]["grade"]["policies"] == ["llemma", "default"]
    assert tree["stage"]["report"]["confidence"] == 0.9
    cold = recipe_tree(["model=m", "tasks=sat", "samples=4", "temperature=1.0"])
    assert "top_p" not in cold["stage"]["solve"]["solvers"]["cot"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tasks=gsm8k"], "model=PATH"),
        (["model=m"], "tasks=NAME"),
        (["model=m", "tasks=sat", "sample=4"], "sample: no such setting; did you mean 'samples'"),
        (["model=m", "tasks=sat", "solvers=cot"], "solvers: no such setting"),
        (["a.toml", "b.toml"], "one recipe at a time"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        recipe_tree(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=m", "tasks=gsm9k"], "unknown tasks gsm9k"),
        (["model=m", "tasks=sat", "solver=cod"], "solvers.cod.kind"),
        (["model=m", "tasks=sat", "policies=lama"], "unknown policies lama"),
        (["recipes/llemma-table1.toml", "solver=cot"], "the recipe names its own"),
        (["--check", "tasks=gsm9k"], "no task 'gsm9k'; did you mean 'gsm8k'"),
        (["--check", "tasks=sat", "limit=4"], "limit: no such setting of --check"),
        (["--check", "tasks=aime24"], "no data for task 'aime24'"),
    ],
)
def test_a_mistake_ends_with_2(
    words: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(root)
    assert main(["evaluate", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_prompt_that_a_task_lacks_is_said_before_the_model_is_loaded(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "model=m", "tasks=gsm8k-python", "--out", str(tmp_path), "--quiet"]
    assert main(words) == 2
    assert "'gsm8k-python' has no prompt 'default' for cot" in capsys.readouterr().err


def test_the_self_check_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--check", "tasks=ocw,math500,sat", "--json"]) == 0
    rows = {row["task"]: row for row in lines(capsys.readouterr().out)}
    assert [row["failures"] for row in rows.values()] == [0, 0, 0]
    assert rows["ocw"]["ceilings"]["llemma"] == [253, 272]  # the reference's 93.0 %
    assert rows["ocw"]["data"] == "known" and rows["sat"]["golds"] == 32
    assert main(["evaluate", "--check", "tasks=ocw"]) == 0
    shown = capsys.readouterr().out
    assert "ocw under llemma: 19 of 272 gold answers cannot score" in shown
    assert "no model can have more than 93.0 %" in shown


def test_a_failed_self_check_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "simuleq.jsonl"
    rows = [{"question": "1+1?", "answer": "2"}, {"question": "?", "answer": "\\foo{\\bar"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["evaluate", "--check", "tasks=simuleq", f"data={path}", "check_data=false"]
    code = main(words)
    shown = capsys.readouterr().out
    assert ("FAILED" in shown) == (code == 1)
    assert main([*words[:-1]]) == 2
    assert "task 'simuleq' has 514 problems" in capsys.readouterr().err


def test_the_list_has_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list", "--json"]) == 0
    rows = lines(capsys.readouterr().out)
    assert [row["task"] for row in rows] == list(TASKS)
    assert rows[2]["problems"] == {"test": 1319, "train": 7473}
    assert main(["evaluate", "--list"]) == 0
    assert "gsm8k-python" in capsys.readouterr().out
