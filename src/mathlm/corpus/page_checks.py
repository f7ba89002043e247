"""What every gate and filter finds in one web page: the explanation, where reading only counts.

Runs in a worker process, as reading does, through the same functions (`batches.judge`).
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast, get_args

from mathlm.core.records import Document
from mathlm.corpus.batches import (
    Settings,
    document_of,
    judge,
    open_pages,
    prefilter,
    settings_of,
)
from mathlm.corpus.filter_config import EditName, WebFilters
from mathlm.corpus.filters import Filter, Gates, step
from mathlm.corpus.final_steps import STEP as FINAL
from mathlm.corpus.prefilter import mark
from mathlm.corpus.quality.language import detect
from mathlm.corpus.quality.prose import count_formulas
from mathlm.corpus.sources.archives import Place
from mathlm.corpus.sources.items import Failed, Loaded, Page, Taken
from mathlm.corpus.sources.shards import Shard
from mathlm.corpus.web_filters import Check, Mode, web_filters

Row = dict[str, Any]
"""One check: `{filter, reason, figure, least, most, note, step}`; what says nothing is left out,
and `step` stands only with what waits until duplicates are gone."""


class Where(NamedTuple):
    """Where a page lies: in a shard of its source, and what its id is."""

    id: str
    shard: Shard
    place: Place = Place(0)


MAX_EXCERPT = 2000
"""Characters of a page's text that go with its explanation."""


def explain_page(where: Where, *, settings: str, filters: str, mode: Mode) -> dict[str, Any]:
    """`{reason, details, text}` of a page: why it would be dropped or fail, and every check.

    `reason` is that of the first gate or filter that objects, in the order of reading; what later
    ones find stands in the details too; `text` is the beginning of the page's text. `settings` and
    `filters` are JSON.
    """
    chosen = settings_of(settings)
    web = WebFilters.model_validate_json(filters)
    reader = open_pages(chosen.source, where.shard, lambda phase: None)
    for taken in reader.pages(where.place):
        if taken.id == where.id:
            return _explained(taken, chosen, (web, mode))
        if reader.after().offset > where.place.offset:  # a gzip member may hold many records
            break
    return {"reason": "not found in its source", "details": [], "text": ""}


def _explained(taken: Taken, settings: Settings, given: tuple[WebFilters, Mode]) -> dict[str, Any]:
    if not isinstance(taken, Page):
        return {"reason": taken.reason, "details": [], "text": ""}
    try:
        judged = judge(taken, settings)
    except Exception as error:  # noqa: BLE001 (the item boundary, as in reading)
        details = [{"filter": "read", "note": str(error)[:300]}]
        return {"reason": "error", "details": details, "text": ""}
    loaded = judged.loaded if judged.loaded is not None else document_of(taken, settings)[0]
    details = _details(taken, loaded, settings, given)
    final = (row["reason"] for row in details if row.get("step") and "reason" in row)
    text = "" if isinstance(loaded, Failed) else loaded.text[:MAX_EXCERPT]
    return {"reason": judged.reason or next(final, None), "details": details, "text": text}


def _details(
    page: Page, loaded: Loaded, settings: Settings, given: tuple[WebFilters, Mode]
) -> list[Row]:
    web, mode = given
    rows: list[Row] = []
    if web.prefilter and not page.is_text:
        found = mark(page.data, mode)
        reason = prefilter(page, settings.gates)
        rows.append(_row("prefilter", Check(reason, note=found or "no mark")))
    if isinstance(loaded, Failed):
        rows.append(_row("extraction", Check(loaded.reason, note=loaded.detail)))
        return rows
    code, chance = detect(loaded.text)
    rows.append({"filter": "formulas", "figure": count_formulas(loaded.text)})
    if code:
        rows.append({"filter": "detected language", "note": f"{code}, p = {chance:.2f}"})
    gates = settings.gates
    by_name: dict[str, Filter] = {**web_filters(web, mode), **gates.text}
    order = [name for name in ("blank", "short", *by_name) if name in by_name]
    early = dict.fromkeys(name for name in order if name not in gates.final)
    rows += [row for name in early if (row := _checked(name, by_name[name], loaded))]
    return rows + _final(loaded, gates)


def _final(document: Document, gates: Gates) -> list[Row]:
    """The rows of what waits for the duplicates, each edit seen by what follows it."""
    rows: list[Row] = []
    for name, gate in gates.final.items():
        found = step(document, name, gate)
        if name in get_args(EditName):
            left = found if isinstance(found, Document) else document
            cut = len(document.text) - len(left.text)
            row: Row | None = {"filter": name, "figure": cut, "note": "characters taken away"}
            document = left
        else:
            row = _checked(name, cast("Filter", gate), document)
        if row is not None:
            rows.append({**row, "step": FINAL})
    return rows


def _checked(name: str, gate: Filter, document: Document) -> Row | None:
    """A filter's row; None of one that has no figure and no objection."""
    check = getattr(gate, "check", None)
    if check is not None:
        return _row("characters" if name == "short" else name, check(document))
    reason = gate(document)
    return _row(name, Check(reason)) if reason else None


def _row(name: str, check: Check) -> Row:
    values = {
        key: value for key, value in check._asdict().items() if value is not None and value != ""
    }
    if isinstance(check.figure, float):
        values["figure"] = round(check.figure, 4) if check.figure != float("inf") else None
    return {"filter": name, **values}
