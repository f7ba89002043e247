"""Recipes: every mistake is named with its path and the nearest valid key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from mathlm.core.errors import UserError
from mathlm.core.recipe import build_recipe, load_recipe, recipe_toml, toml_text
from mathlm.core.stage import StageConfig, StageKind


class Html(StageConfig):
    kind: Literal["html"]
    folders: tuple[str, ...]


class Code(StageConfig):
    kind: Literal["code"]
    limit: int = Field(10, ge=1)


class Sizes(StageConfig):
    width: int = 8


class Config(StageConfig):
    steps: int = Field(100, ge=1)
    rate: float = 1e-3
    sizes: Sizes = Sizes()
    sources: dict[str, Annotated[Html | Code, Field(discriminator="kind")]] = Field({})


KINDS = {
    "work": StageKind(
        Config, lambda c, s: None, needs={"before": ("work",)}, optional=frozenset({"before"})
    )
}


def build(**table: Any) -> Any:
    return build_recipe({"name": "r", "stage": {"a": {"kind": "work", **table}}}, KINDS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"stpes": 3}, "stage.a.stpes: no such key; did you mean 'steps'?"),
        ({"steps": "many"}, 'stage.a.steps = "many": input should be a valid integer'),
        ({"steps": 0}, "stage.a.steps = 0: input should be greater than or equal to 1"),
        ({"sizes": {"widht": 3}}, "stage.a.sizes.widht: no such key; did you mean 'width'?"),
        (
            {"sources": {"x": {"kind": "code", "limt": 3}}},
            "stage.a.sources.x.limt: no such key; did you mean 'limit'?",
        ),
        ({"sources": {"x": {"kind": "html"}}}, "stage.a.sources.x.folders is missing"),
        ({"sources": {"x": {"kind": "pdf"}}}, "stage.a.sources.x: Input tag 'pdf'"),
        ({"needs": {"befor": "a"}}, "stage.a.needs.befor: no such role; did you mean 'before'?"),
        ({"needs": {"before": "aa"}}, "stage.a.needs.before: no stage 'aa'; did you mean 'a'?"),
        ({"needs": {"before": "a"}}, "stages need each other in a circle"),
        ({"kind": "wrok"}, "stage.a.kind: no kind 'wrok'; did you mean 'work'?"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        build(**table)
    assert message in str(error.value)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(UserError) as error:
        build_recipe({"nme": "r", "stage": {"a": {"kind": "work", "stpes": 1, "rat": 2}}}, KINDS)
    assert len(str(error.value).split("\n")) == 4  # nme, name missing, stpes, rat


def test_each_makes_an_instance_for_each_input() -> None:
    stage = {
        "report": {"kind": "work", "needs": {"all": "grade"}},
        "grade": {"kind": "work", "needs": {"before": "solve"}, "each": "before"},
        "solve": {"kind": "work", "needs": {"before": ["a", "b"]}, "each": "before", "steps": 5},
        "a": {"kind": "work"},
        "b": {"kind": "work"},
    }
    several = StageKind(
        Config, lambda c, s: None, needs={"before": ("work",), "all": ("work",)},
        optional=frozenset({"before", "all"}), several=frozenset({"all"}),
    )  # fmt: skip
    recipe = build_recipe({"name": "r", "stage": stage}, {"work": several})
    needs = {name: dict(spec.needs) for name, spec in recipe.stages.items()}
    assert needs == {
        "a": {},
        "b": {},
        "solve_a": {"before": ("a",)},
        "solve_b": {"before": ("b",)},
        "grade_a": {"before": ("solve_a",)},
        "grade_b": {"before": ("solve_b",)},
        "report": {"all": ("grade_a", "grade_b")},
    }
    assert recipe.stages["solve_b"].config.steps == 5  # type: ignore[attr-defined]
    assert build_recipe(tomllib.loads(recipe_toml(recipe)), {"work": several}) == recipe
    stage["grade"]["each"] = "befor"
    with pytest.raises(UserError, match=r"stage.grade.each.*'before'"):
        build_recipe({"name": "r", "stage": stage}, {"work": several})
    with pytest.raises(UserError, match=r"stage.grade.needs.before: exactly one stage"):
        stage["grade"] = {"kind": "work", "needs": {"before": ["a", "b"]}}
        build_recipe({"name": "r", "stage": stage}, {"work": several})


def test_overrides_are_dotted_toml(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\n[stage.a]\nkind = "work"\n')
    words = ["stage.a.steps=7", "stage.a.rate=1e-4", "seed=3", "title=two words"]
    recipe = load_recipe(path, words, KINDS)
    config = recipe.stages["a"].config
    assert (config.steps, config.rate, recipe.head.seed) == (7, 1e-4, 3)  # type: ignore[attr-defined]
    assert recipe.head.title == "two words"
    with pytest.raises(UserError, match="KEY=VALUE"):
        load_recipe(path, ["steps"], KINDS)
    with pytest.raises(UserError, match="is a value"):
        load_recipe(path, ["name.x=1"], KINDS)


def test_broken_files_are_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load_recipe(tmp_path / "none.toml", [], KINDS)
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(UserError, match="not TOML"):
        load_recipe(tmp_path / "bad.toml", [], KINDS)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(UserError, match="cannot read"):
        load_recipe(tmp_path / "latin.toml", [], KINDS)


def test_the_resolved_recipe_reads_back_as_the_same_recipe() -> None:
    recipe = build(steps=5, sources={"x": {"kind": "html", "folders": ["a", 'b"c']}})
    again = build_recipe(tomllib.loads(recipe_toml(recipe)), KINDS)
    assert again == recipe


_scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
_keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_trees = st.recursive(
    st.dictionaries(_keys, st.one_of(_scalars, st.lists(_scalars, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)


@given(_trees)
def test_toml_is_read_back_unchanged(tree: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(tree)) == tree
