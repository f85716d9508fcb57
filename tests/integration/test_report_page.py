"""The report as a page: well-formed, complete in itself, without a value of any row, whatever names the mapping has."""

import html.parser
import pathlib
import re
import subprocess

import pytest

from mapping import entity
from servers import ROOT
from sessions import held, start_migration, wait_until_blocked, wait_until_connected
from waiting import wait_until

SCREENSHOTS = ROOT / "tests/report/screenshots"
NO_BROWSER = 77
CANARY = "Canary"
VOID = {"meta", "link", "br", "img", "input", "hr", "base", "col", "embed", "source", "track", "wbr"}
SHAPES = {"rect", "line", "path", "polygon", "polyline", "text", "title", "desc", "g", "svg", "circle"}

# Names may be anything but what a table's name cannot hold.
EVIL = "<script>alert(1)</script> & \"quoted\" 'single' </td></table>"
LONG = "a_rule_whose_name_goes_on_" + "and_on_" * 5


class Page(html.parser.HTMLParser):
    """Elements in order; fails where they do not close each other as they should."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts, self.ids = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, attributes)
        self.elements.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in SHAPES, f"<{tag}/> is no way to close it in HTML"
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(world, tmp_path, *arguments):
    """The page, which needs nothing else, runs nothing and holds no value."""
    file = tmp_path / "report.html"
    result = wait_until_connected(world.daemon).ctl("report", "--html", file, *arguments)
    assert "--json" in arguments or result.stdout == ""
    text = file.read_text()
    page = Page(text)
    assert CANARY not in text
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<iframe|<object|<link|javascript:|\son\w+=", text, re.IGNORECASE)
    for _, attributes in page.elements:
        assert not {"src", "action", "srcset", "data"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
        assert attributes.get("href", "#")[1:] in ["", *page.ids]
    for attributes in page.of("svg"):
        assert attributes.get("role") == "img" or "aria-hidden" in attributes or "width" in attributes  # else one within another
        for name in attributes.get("aria-labelledby", "").split():
            assert name in page.ids
    assert len(page.ids) == len(set(page.ids))
    return page


def library(pair, shelf="shelves", rule=LONG, rows=300):
    return pair(f"""CREATE TABLE shelves (id integer PRIMARY KEY, room text);
                    CREATE TABLE books (id integer PRIMARY KEY, shelf integer, title text, pages integer);
                    INSERT INTO shelves SELECT i, '{CANARY} room' FROM generate_series(1, 10) AS i WHERE {rows} > 0;
                    INSERT INTO books SELECT i, 1 + i % 12, '{CANARY} title ' || i % 200, i FROM generate_series(1, {rows}) AS i""",
                """CREATE TABLE shelves (id uuid PRIMARY KEY, legacy_id integer UNIQUE, room text);
                   CREATE TABLE books (id uuid PRIMARY KEY, legacy_id integer UNIQUE, shelf uuid NOT NULL REFERENCES shelves,
                                       title text UNIQUE, pages integer)""",
                entity(shelf, {"room": "room"}, source="shelves", target="shelves"),
                entity("books", {"shelf": {"references": shelf, "from": "shelf"}, "title": "title", "pages": "pages"},
                       rules={rule: {"before": "pages > 10", "action": "warn"}}))


def test_the_page_says_what_the_report_says(pair, tmp_path):
    world = library(pair)
    session = world.migrate()
    page = page_of(world, tmp_path)
    made = world.daemon.call("Report")
    assert session.session in page.text and "Completed: 310 rows" in page.text
    for part in made["entities"]:
        for figure in ("inserted", "failed", "parked", "rows_after"):
            assert f"{part[figure]:,}" in page.text
    assert "23505" in page.text and LONG in page.text
    assert {"course", "carried", "shares", "order", "done", "set-aside", "waiting", "rules"} <= set(page.ids)
    drawn = [attributes for attributes in page.of("rect") if attributes.get("class") == "bar"]
    assert drawn, "there are bars"
    nodes = [attributes for attributes in page.of("g") if attributes.get("class") == "node good"]
    assert len(nodes) == 2
    assert [attributes.get("class") for attributes in page.of("path")] == ["edge", "arrow"]


def test_names_are_text_whatever_they_are(pair, tmp_path):
    rule = EVIL
    world = library(pair, rule="evil")
    world.migrate()
    world.target_sql("UPDATE migrated.batch SET warnings = jsonb_build_object(%s::text, 3) WHERE warned > 0", [rule])
    world.target_sql("UPDATE migrated.session_entity SET entity = %s, reason = %s WHERE entity = 'shelves'", [EVIL, EVIL])
    world.target_sql("UPDATE migrated.session SET reason = %s, mode = 'full'", [EVIL + "\u202e\x07\u0085"])
    page = page_of(world, tmp_path)
    assert " ".join(EVIL.split()) in page.text and "alert(1)" in page.text
    assert not any(character in page.text for character in "\u202e\x07\u0085")


@pytest.mark.parametrize("rows", [0, 1])
def test_a_session_with_few_rows_has_a_page_without_empty_charts(pair, tmp_path, rows):
    world = library(pair, rows=rows)
    world.migrate()
    page = page_of(world, tmp_path)
    assert ("no course to draw" in page.text) == (rows == 0)
    assert bool(page.of("figure")) == (rows > 0)


def test_a_session_that_stands_still_has_a_page_that_says_so(pair, tmp_path):
    world = library(pair)
    with held(world.target, "books"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        world.daemon.call("Pause")
        wait_until(lambda: world.target.value("SELECT hold FROM migrated.session WHERE session = %s", [session]) == "operator")
        page = page_of(world, tmp_path)
        assert "The session is paused" in page.text and "stood still" in page.text
    world.daemon.call("Resume")


def test_the_page_goes_to_standard_output_and_beside_json(pair, tmp_path):
    world = library(pair)
    world.migrate()
    page = page_of(world, tmp_path, "--json")
    printed = world.daemon.ctl("report", "--html", "-").stdout
    assert Page(printed).ids == page.ids
    refused = world.daemon.ctl("report", "--html", tmp_path / "no" / "such" / "place.html", check=False)
    assert refused.returncode == 1 and "No such file" in refused.stderr


def test_a_browser_draws_the_page(pair, tmp_path):
    """Whoever changes the page looks at these pictures; here it is only known that a browser draws it, and loads nothing else."""
    world = library(pair)
    world.migrate()
    page_of(world, tmp_path)
    drawn = subprocess.run([SCREENSHOTS, tmp_path / "report.html", tmp_path / "pictures", "wide-light", "narrow-dark"],
                           capture_output=True, text=True, timeout=300)
    if drawn.returncode == NO_BROWSER:
        pytest.skip("there is no Chromium here")
    assert drawn.returncode == 0, drawn.stderr
    pictures = {path.name: path.stat().st_size for path in pathlib.Path(tmp_path / "pictures").iterdir()}
    assert pictures.keys() == {"wide-light.png", "narrow-dark.png", "paper.pdf"}
    assert min(pictures.values()) > 20000
