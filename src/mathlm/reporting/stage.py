"""The `report` stage: finished stages to `report.json`, `tables/` and `report.html`."""

from __future__ import annotations

from mathlm.core.stage import StageContext
from mathlm.core.storage import write_bytes, write_text
from mathlm.reporting import figures, page
from mathlm.reporting.browser import pack
from mathlm.reporting.completions import scan
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.content import collect
from mathlm.reporting.files import as_json, markdown, table_files
from mathlm.reporting.inputs import read_inputs
from mathlm.reporting.overlap import Search, find_overlap
from mathlm.reporting.selection import choose


def run(context: StageContext, config: ReportConfig, *, search: Search | None = None) -> None:
    """Fill the stage's directory; everything is made anew, each file whole or absent.

    `search` looks for texts in documents (`mathlm.corpus.overlap`), where a corpus is given.
    """
    figures.require()
    progress = context.progress
    progress.say("  reading verdicts")
    inputs = read_inputs(context, config.policy)
    selection = choose(inputs.evaluations, config.samples)
    scans = []
    with progress.task("read completions", len(inputs.evaluations), "stages") as counted:
        for evaluation, wanted in zip(inputs.evaluations, selection.wanted, strict=True):
            scans.append(scan(evaluation, wanted))
            counted.advance()
    corpus = context.optional_input("corpus")
    overlap = find_overlap(config, inputs, scans, corpus=corpus, search=search)
    progress.say("  computing figures")
    content = collect(inputs, config, scans, overlap)
    hits = overlap.items if overlap is not None else {}
    progress.say("  packing samples")
    packed = pack(
        inputs.evaluations,
        scans,
        selection,
        max_chars=config.sample_chars,
        is_hit=lambda problem: problem in hits,
    )
    write_bytes(context.directory / "report.json", as_json(content))
    write_text(context.directory / "tables.md", markdown(content))
    for name, text in table_files(content):
        write_bytes(context.directory / "tables" / name, text.encode("utf-8", "replace"))
    text = page.render(inputs, content, packed)
    place = context.directory / "report.html"
    write_text(place, text)
    progress.say(f"  {place}: {len(text) / 1e6:.1f} MB, {packed.shown} samples to read")
