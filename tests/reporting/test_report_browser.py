"""The page in a real browser: renders, filters, search, keys; no error and no request.

Debian's Chromium, driven by Playwright; the machine's own, never a downloaded one.
"""

import json
import re
import shutil

import pytest

from mathlm.reporting.config import ReportConfig
from mathlm.reporting.stage import run

pytestmark = pytest.mark.browser
ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright (the dev extra)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


class Watched:
    """A page, with everything that it said or asked for."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.errors, self.requests, self.dialogs = [], [], []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog), dialog.dismiss()))
        self.context.route("**/*", self._route)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#browser[data-ready]", timeout=60_000)

    def _route(self, route):
        self.requests.append(route.request.url)
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            route.abort()

    def count(self):
        found = re.match(r"([\d,]+)", self.page.inner_text("#browser .count"))
        return int(found[1].replace(",", "")) if found else None

    def wait_for(self, number):
        self.page.wait_for_function(
            "n => document.querySelector('#browser .count').textContent.replace(',', '')"
            ".startsWith(n + ' ')",
            arg=str(number),
            timeout=30_000,
        )

    def choose(self, label, value):
        select = self.page.locator(f'#browser select[aria-label="{label}"]')
        option = select.locator("option", has_text=value).first
        select.select_option(option.get_attribute("value"))

    def clean(self):
        assert self.errors == []
        assert self.dialogs == []
        assert len(self.requests) <= 1, "only the page itself"
        self.context.close()


@pytest.fixture
def opened(chromium, plain):
    found = Watched(chromium, plain / "report" / "report.html")
    yield found
    found.clean()


def test_it_renders_with_formulas_and_programs(opened):
    page = opened.page
    assert opened.count() == 480
    assert page.locator("#browser .items button").count() == 50
    assert page.locator("#browser .detail math mn").count() >= 2
    box = page.locator("#browser .detail math").first.bounding_box()
    assert box["width"] > 5 and box["height"] > 5
    opened.choose("form", "with a program")
    opened.wait_for(80)
    assert page.inner_text("#browser .detail .tool .label") == "output (ok)"
    assert "answer = " in page.inner_text("#browser .detail .variables")
    assert page.locator("#browser .detail .verdicts tbody tr").count() == 1


def test_filters_narrow_the_list_and_reset(opened, synthetic):
    right = 6 * sum(synthetic.RIGHT.values())
    opened.choose("verdict", "correct")
    opened.wait_for(right)
    marks = opened.page.locator("#browser .items .mark")
    assert {marks.nth(i).get_attribute("aria-label") for i in range(marks.count())} == {"correct"}
    counts = opened.page.locator('#browser select[aria-label="model"] option').all_inner_texts()
    assert counts == ["any", *(f"{m} ({6 * n})" for m, n in synthetic.RIGHT.items())]
    opened.choose("model", "base")
    opened.wait_for(6 * synthetic.RIGHT["base"])
    opened.choose("subject", "odd")
    opened.wait_for(6 * synthetic.RIGHT["base"] // 2)
    opened.choose("change", "gained")
    opened.wait_for(0)
    assert "Nothing passes" in opened.page.inner_text("#browser .items")
    opened.page.click("#browser .reset")
    opened.wait_for(480)


def test_search_finds_text_answers_and_ids(opened):
    search = opened.page.locator("#browser [role=searchbox]")
    search.fill("it is 54")
    opened.wait_for(12)  # the right answers to p27, and the wrong ones beside their gold answer
    search.fill("0?")
    opened.wait_for(132)  # the first sample of each solver where it is wrong
    search.fill("P13")
    opened.wait_for(12)
    search.fill("nowhere at all")
    opened.wait_for(0)
    search.fill("")
    opened.wait_for(480)


def test_keys_move_turn_pages_search_and_help(opened):
    page = opened.page
    current = "document.querySelector('#browser .items [aria-current]').dataset.item"
    start = page.evaluate(current)
    page.keyboard.press("j")
    page.wait_for_function(f"() => {current} !== '{start}'")
    page.keyboard.press("k")
    page.wait_for_function(f"() => {current} === '{start}'")
    page.locator("#browser .items button").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"() => {current} !== '{start}'")
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => {current} === '{start}'")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('#browser .pages span').textContent.startsWith('page 2')"
    )
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    assert page.input_value("#browser [role=searchbox]") == "jk?"
    opened.wait_for(0)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    opened.wait_for(480)
    page.keyboard.press("?")
    assert page.locator("#browser dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#browser dialog").is_visible()
    for _ in range(60):
        page.keyboard.press("j")
    assert "page 2" in page.inner_text("#browser .pages span")


def test_answers_to_a_problem_stand_side_by_side(opened):
    answers = opened.page.locator("#browser .answers button")
    assert answers.count() == 13
    opened.page.keyboard.press("a")
    opened.page.locator("#browser .cards .card").nth(11).wait_for()
    assert opened.page.locator("#browser .cards .card").count() == 12
    answers.nth(11).click()
    opened.page.wait_for_function(
        "() => document.querySelectorAll('#browser .answers button')[11]"
        ".getAttribute('aria-pressed') === 'true'"
    )


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (420, "light"), (1280, "dark")])
def test_it_fits_narrow_and_dark(chromium, plain, width, scheme):
    path = plain / "report" / "report.html"
    found = Watched(chromium, path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    dark = found.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (dark == "rgb(22, 24, 27)") == (scheme == "dark")
    found.clean()


def test_without_script_the_rest_is_there(chromium, plain):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((plain / "report" / "report.html").as_uri())
    assert "Before and after" in page.content()
    assert page.locator("noscript").count() == 1
    context.close()


def test_hostile_text_does_nothing(chromium, tmp_path, synthetic):
    root = synthetic.make_run(tmp_path, synthetic.HOSTILE)
    run(synthetic.context(root), ReportConfig(title=synthetic.HOSTILE))
    found = Watched(chromium, root / "report" / "report.html")
    page = found.page
    for _ in range(8):
        page.keyboard.press("j")
    page.wait_for_timeout(200)
    detail = page.inner_text("#browser .detail")
    assert "<script>alert(1)</script>" in detail
    assert (
        page.locator("#browser img, #browser script, #browser a, #browser [onerror]").count() == 0
    )
    assert page.evaluate("document.querySelectorAll('script:not([type])').length") == 1
    found.clean()


def test_an_injected_script_would_not_run(chromium, plain, tmp_path):
    """The policy holds even where escaping fails: markup of a model pasted into the page."""
    text = (plain / "report" / "report.html").read_text()
    evil = '<script>document.title = "owned"</script><img src=x onerror="document.title=1">'
    path = tmp_path / "evil.html"
    path.write_text(text.replace("<h1>", f"{evil}<h1>", 1))
    context = chromium.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#browser[data-ready]")
    assert page.title() == "Mathematical language models, before and after"
    context.close()


def test_policies_that_disagree(chromium, tmp_path, synthetic):
    """Another policy accepts ten more answers of one model: the filter and the marks show it."""
    root = synthetic.make_run(tmp_path)
    path = root / "grade_base" / "verdicts.jsonl"
    lines = []
    for line in path.read_text().splitlines():
        row = {**json.loads(line), "policy": "kind"}
        if row["solver"] == "cot" and 8 <= int(row["problem_id"][1:]) < 18:
            row["status"] = "correct"
        lines.append(json.dumps(row))
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    run(synthetic.context(root), ReportConfig())
    found = Watched(chromium, root / "report" / "report.html")
    found.choose("agreement", "policies disagree")
    found.wait_for(10)
    assert found.page.locator("#browser .items .apart").count() == 10
    rows = found.page.locator("#browser .detail .verdicts tbody tr")
    rows.nth(1).wait_for()
    assert [rows.nth(i).locator(".mark").get_attribute("aria-label") for i in range(2)] == [
        "incorrect",
        "correct",
    ]
    found.page.select_option('#browser select[aria-label="verdicts of"]', label="kind")
    found.page.wait_for_function(
        "() => document.querySelector('#browser .items .mark').ariaLabel === 'correct'"
    )
    found.choose("agreement", "only kind")
    found.wait_for(10)
    found.clean()
