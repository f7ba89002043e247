"""The architecture as a test: layers, import rules, sizes, a docstring everywhere.

Rules: docs/architecture.md. Everything is read by `ast`; nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "mathlm"
FILES = sorted(SRC.rglob("*.py"))
STAGES = ("corpus", "training", "solving", "grading")
# core → models, tasks, stats → tokens → stages' packages → reporting → stages.py → cli
BELOW: dict[str, set[str]] = {
    "core": set(),
    "models": {"core"},
    "tasks": {"core"},
    "stats": {"core"},
    "tokens": {"core", "models", "tasks", "stats"},
    **{stage: {"core", "models", "tasks", "stats", "tokens"} for stage in STAGES},
    "reporting": {"core", "models", "tasks", "stats", "tokens"},
}
LIGHT = {"core", "tasks", "grading", "corpus", "stats", "reporting", "cli", "stages"}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_POSITIONAL = 500, 60, 4


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def package_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(nodes: Iterator[ast.AST] | list[ast.AST]) -> set[str]:
    """Modules that import statements among the nodes name, with the names taken from them."""
    modules: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def own_packages(modules: set[str]) -> set[str]:
    return {m.split(".")[1] for m in modules if m.startswith("mathlm.")} & (
        set(BELOW) | {"stages", "cli"}
    )


def import_time(tree: ast.Module) -> list[ast.AST]:
    """Statements that run on import: all but function bodies and `if TYPE_CHECKING`."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file(path: Path) -> None:
    text, tree = path.read_text(encoding="utf-8"), tree_of(path)
    assert ast.get_docstring(tree), "every module says what it is"
    assert len(text.splitlines()) <= MAX_FILE_LINES
    package = package_of(path)
    if package in BELOW:
        allowed = BELOW[package] | {package}
        assert own_packages(imported(ast.walk(tree))) <= allowed, "the layers of the design"
    if package in LIGHT:
        heavy = {m.split(".")[0] for m in imported(import_time(tree))} & {"torch", "transformers"}
        assert not heavy, "importing this package must not load torch"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name
            arguments = [a.arg for a in node.args.posonlyargs + node.args.args]
            arguments = [a for a in arguments if a not in {"self", "cls"}]
            assert len(arguments) <= MAX_POSITIONAL or _is_hook(node), node.name


def _is_hook(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A function whose signature another library dictates says so in its docstring."""
    return "signature of" in (ast.get_docstring(node) or "").lower()


def test_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {}
    names = {_module(path): path for path in FILES}
    for module, path in names.items():
        wanted = imported(import_time(tree_of(path)))
        graph[module] = {_existing(w, names) for w in wanted if w.startswith("mathlm")} - {module}
    for module in graph:
        _walk(module, graph, [])


def _module(path: Path) -> str:
    parts = ["mathlm", *path.relative_to(SRC).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _existing(module: str, names: dict[str, Path]) -> str:
    while module not in names:
        module = module.rpartition(".")[0]
    return module


_DONE: set[str] = set()


def _walk(module: str, graph: dict[str, set[str]], path: list[str]) -> None:
    assert module not in path, " → ".join([*path, module])
    if module in _DONE:
        return
    for other in graph[module]:
        _walk(other, graph, [*path, module])
    _DONE.add(module)


def test_the_median_function_is_short() -> None:
    sizes = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert sizes[len(sizes) // 2] <= 14


def test_vague_names_are_not_used() -> None:
    vague = {"utils", "common", "helpers", "base", "manager", "misc"}
    assert not [path for path in FILES if path.stem in vague]
