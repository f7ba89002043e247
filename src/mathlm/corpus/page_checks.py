"""What every gate and filter finds in one web page: the explanation, where reading only counts.

Runs in a worker process, as reading does, through the same functions (`batches.judge`).
"""

from __future__ import annotations

from typing import Any

from mathlm.corpus.batches import Judged, Settings, document_of, judge, open_pages, settings_of
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.prefilter import mark, refuse
from mathlm.corpus.quality.language import detect
from mathlm.corpus.quality.prose import count_formulas
from mathlm.corpus.sources.archives import Place
from mathlm.corpus.sources.items import Failed, Page
from mathlm.corpus.sources.shards import Shard
from mathlm.corpus.web_filters import Check, Mode, checks, web_filters

Row = dict[str, Any]
"""One check: `{filter, reason, figure, least, most, note}`; what says nothing is left out."""


def explain_page(
    item: tuple[str, str, dict[str, Any]], *, settings: str, filters: str, mode: Mode
) -> dict[str, Any]:
    """`{reason, details}` of a file's page: why it would be dropped or fail, and every check.

    `reason` is that of the first gate or filter that objects, in the order of reading; what later
    ones find stands in the details too. `settings` and `filters` are JSON.
    """
    chosen = settings_of(settings)
    web = WebFilters.model_validate_json(filters)
    reader = open_pages(chosen.source, Shard(item[1], items=(item,)), lambda phase: None)
    for taken in reader.pages(Place(0)):
        if not isinstance(taken, Page):
            return {"reason": taken.reason, "details": []}
        try:
            judged = judge(taken, chosen)
        except Exception as error:  # noqa: BLE001 (the item boundary, as in reading)
            return {"reason": "error", "details": [{"filter": "read", "note": str(error)[:300]}]}
        return {"reason": judged.reason, "details": _details(taken, judged, chosen, (web, mode))}
    return {"reason": "empty", "details": []}


def _details(
    page: Page, judged: Judged, settings: Settings, given: tuple[WebFilters, Mode]
) -> list[Row]:
    web, mode = given
    rows: list[Row] = []
    if web.prefilter and not page.is_text:
        found = mark(page.data, mode)
        rows.append(_row("prefilter", Check(refuse(page.data, mode), note=found or "no mark")))
    loaded = judged.loaded if judged.loaded is not None else document_of(page, settings)[0]
    if isinstance(loaded, Failed):
        rows.append(_row("extraction", Check(loaded.reason, note=loaded.detail)))
        return rows
    size = len(loaded.text.strip())
    least = settings.source.min_characters
    code, chance = detect(loaded.text)
    rows.append({"filter": "formulas", "figure": count_formulas(loaded.text)})
    if code:
        rows.append({"filter": "detected language", "note": f"{code}, p = {chance:.2f}"})
    short = "blank" if not size else "short" if size < least else None
    rows.append(_row("characters", Check(short, size, least)))
    rows += [_row(name, check) for name, check in checks(loaded, web_filters(web, mode)).items()]
    return rows


def _row(name: str, check: Check) -> Row:
    values = {
        key: value for key, value in check._asdict().items() if value is not None and value != ""
    }
    if isinstance(check.figure, float):
        values["figure"] = round(check.figure, 4) if check.figure != float("inf") else None
    return {"filter": name, **values}
