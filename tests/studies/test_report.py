"""The report: one page that stands alone, whose verdicts follow from the records of its store and nothing else."""

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pandas as pd
import pytest

from student_score.commands.study import judge
from student_score.config.schema import Config, TrackingConfig
from student_score.errors import InputError
from student_score.paths import known_studies
from student_score.studies import evidence, report, study
from student_score.studies.claims import UNDECIDED, Claim, Verdict, Whose, tally
from student_score.tracking.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def uri(tmp_path_factory, empty_store) -> str:
    """Return a store that holds the records of the study `plateau`, and no others."""
    address = f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('report') / 'mlflow.db')}"
    evidence.record_trainings("plateau", Config(tracking=TrackingConfig(uri=address, experiment="plateau")))
    return address


@pytest.fixture(scope="module")
def written(uri, tmp_path_factory) -> tuple[str, list[report.Chapter]]:
    """Return the report of that store and its chapters."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    chapters = report.write(path, uri)
    return path.read_text(), chapters


def page_of(chapters, uri) -> str:
    """Return the page of these chapters."""
    return report.render(chapters, uri=uri, written=datetime.now(UTC))


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.identities: set[str] = set()

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's references and its id."""
        self.found += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.identities |= {value or "" for name, value in attrs if name == "id"}


def test_the_page_needs_no_other_file(written):
    """Every picture is in the page, and every link leads to a place in it."""
    links = Links()
    links.feed(written[0])
    pictures = [link for link in links.found if link.startswith("data:image/png;base64,")]
    others = set(links.found) - set(pictures)
    assert len(pictures) == 1
    assert others
    assert others <= {f"#{name}" for name in links.identities}
    assert not re.search(r"https?://|@import|url\(", written[0])


def test_every_study_has_its_chapter(written):
    """What was run has its verdicts with numbers and origin; what was not says which command runs it."""
    text, chapters = written
    assert {part.name for part in chapters} == set(known_studies())
    by_name = {part.name: part for part in chapters}
    assert {item.verdict for item in by_name["plateau"].judgements} == {Verdict.supported}
    assert by_name["plateau"].facts["trainings"] == "54,481"
    assert re.fullmatch(r"[0-9a-f]{64}, [0-9a-f]{64}", by_name["plateau"].facts["data (SHA-256)"])  # both its rows
    assert by_name["article"].missing.endswith("this makes them: student-score -m experiment=article")
    assert f"<h3>{tally(by_name['plateau'].judgements)}</h3>" in text
    assert "<dt>lowest diverged rate</dt><dd>2.2</dd>" in text


def test_what_is_not_recorded_is_a_quiet_line_with_its_command(written, uri):
    """Studies without records, each in one line; records that cannot be used say why."""
    lines = re.findall(r'<li id="(\w+)">(.+?)</li>', written[0])
    assert [name for name, _ in lines] == [name for name in study.in_order() if name != "plateau"]
    assert all(line.startswith("Not recorded: ") for _, line in lines)
    assert dict(lines)["death"].endswith("<code>student-score experiment=death</code>")
    stale = report.Chapter(name="old", question="Q?", missing="its records are of other rows")
    assert '<li id="old">Not judged: Q? The reason: its records are of other rows</li>' in page_of([stale], uri)


def part_of(name, *sentences, **changes):
    """Return a chapter with this conclusion."""
    return report.Chapter(name=name, question=f"{name}?", conclusion=sentences, figure=name, **changes)


def test_three_sentences_answer_the_question():
    """The first of each study that answers it, then second ones, told study by study."""
    a, b, c = (part_of(name, f"{name}1", f"{name}2", answers=True) for name in "abc")
    other, bench = part_of("other", "o1", "o2"), part_of("bench", "b1", benchmark=True)
    cases = [
        ([a, b, other, c, bench], "a1 b1 c1"),
        ([a, b, other], "a1 a2 b1"),
        ([a], "a1 a2"),
        ([other, bench], "o1 o2"),
        ([bench], ""),
        ([part_of("a", UNDECIDED, answers=True), b], "b1 b2"),
        ([], ""),
    ]
    for chapters, said in cases:
        assert " ".join(sentence for _, sentence in report.answer(chapters)) == said
    assert report.picture([other, a, b]) is a
    assert report.picture([bench, other]) is other
    assert report.picture([bench]) is None


def test_a_store_without_records_says_how_to_begin(tmp_path):
    """The page is there, its answer is the command to begin with, and no store is created."""
    report.write(tmp_path / "report.html", f"sqlite:///{tmp_path / 'none.db'}")
    page = (tmp_path / "report.html").read_text()
    assert "this begins: <code>student-score -m experiment=article</code>" in page
    assert page.count("Not recorded: ") == len(known_studies())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_no_text_from_a_record_becomes_markup(uri):
    """Sentences, names, sources and what is missing are escaped."""
    claim = Claim(name="c", whose=Whose.ours, sentence="a < b & c", source="<i>s</i>", rule="r")
    judgements = [claim.judge(True, {"<b>": 1}, {"<u>": 1, "<s>": 2}), claim.judge(None, {"missing": "<em>"})]
    part = report.Chapter(name="n", question="q?", judgements=judgements, conclusion=["<q>."])
    page = page_of([part], uri)
    assert "a &lt; b &amp; c" in page
    assert "Missing: &lt;em&gt;" in page
    assert not re.search(r"<(i|b|u|s|em|q)>", page)


class Outline(HTMLParser):
    """Checks that a page is well formed, and collects its headings, pictures, ids and folded parts."""

    EMPTY = frozenset({"meta", "img", "link", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.pictures: list[str] = []
        self.identities: list[str] = []
        self.unfolded_numbers = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's part in the page."""
        found = dict(attrs)
        self.identities += [found["id"] or ""] if "id" in found else []
        self.headings += [int(tag[1])] if re.fullmatch(r"h\d", tag) else []
        self.pictures += [found.get("alt") or ""] if tag == "img" else []
        self.unfolded_numbers += tag == "dd" and "details" not in self.open
        self.open += [] if tag in self.EMPTY else [tag]

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag


def test_the_page_is_well_formed(written):
    """Tags close as they opened, headings go down one level at a time, ids are distinct, pictures have words."""
    outline = Outline()
    outline.feed(written[0])
    assert outline.open == []
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(later - level <= 1 for level, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(set(outline.identities)) == len(outline.identities)
    assert all(outline.pictures)
    assert "<script" not in written[0]


def test_only_the_two_numbers_of_a_claim_are_unfolded(written):
    """Everything else that was measured lies in a fold."""
    outline = Outline()
    outline.feed(written[0])
    assert outline.unfolded_numbers == 2 * len(study.load("plateau").claims)


def test_a_study_without_records_says_how_they_are_made(tmp_path):
    """No store is created by asking."""
    with pytest.raises(InputError, match="this makes them: student-score experiment=plateau"):
        evidence.read_evidence("plateau", f"sqlite:///{tmp_path / 'none.db'}")
    assert not list(tmp_path.iterdir())


def test_records_are_those_that_were_made(uri):
    """The table read back is the study's own, to the last bit."""
    plateau = study.load("plateau")
    _, found = evidence.read_evidence("plateau", uri)
    pd.testing.assert_frame_equal(found.content, plateau.trainings(plateau.rows), check_exact=True)


def test_a_study_is_judged_again_without_training(uri, results, capsys):
    """`student-score-study` prints the verdicts and tags the run with them; an unknown study is named."""
    assert judge(["plateau", "--uri", uri]) == 0
    said = capsys.readouterr().out
    assert said.count("  SUPPORTED: ") + said.count("  PASSED: ") == len(study.load("plateau").claims)
    assert re.search(r"\d claims? supported.*\.\n$", said)
    assert (results / "plateau/verdicts.json").exists()
    [run] = Store(uri, "plateau").search("tags.study = 'plateau'")
    assert run.tags["verdict.three_rows"] == "supported"
    with pytest.raises(InputError, match="there is no study 'nothing'; there are article, "):
        judge(["nothing", "--uri", uri])


def test_the_studies_are_listed_in_the_order_of_the_report(capsys):
    """Without a name `student-score-study` lists the commands that make records, benchmarks marked."""
    assert judge([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "student-score -m experiment=article"
    assert lines[-1] == "student-score experiment=recording  # a benchmark"
    assert len(lines) == len(known_studies())


BOTTOM = "Math.max(...[...document.querySelectorAll('{}')].map(each => each.getBoundingClientRect().bottom))"
"""Where, in pixels, the lowest of some elements ends, in JavaScript."""


@pytest.fixture(scope="module")
def longest(written, uri, committed, tmp_path_factory) -> str:
    """Return the address of a page with that store's study and the longest answer there is: three sentences."""
    [plateau] = [part for part in written[1] if part.judgements]
    conclusions = [study.load(name).conclude(committed(name)) for name in ("article", "plateau", "stability")]
    chapters = [replace(plateau, name=f"part{n}", conclusion=said) for n, said in enumerate(conclusions)]
    path = tmp_path_factory.mktemp("longest") / "report.html"
    path.write_text(page_of([*chapters, *(part for part in written[1] if part.missing)], uri))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    """Return a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "light"), (1280, "dark")])
def test_the_page_fits_phones_and_dark_rooms(longest, browser, width, scheme):
    """Opened from disk, folds open, nothing is wider than the window, the figure is drawn, and dark means dark."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(longest)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('img').naturalWidth") > 500
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_question_answer_and_picture(longest, browser, tmp_path, width, height):
    """Without scrolling the whole answer is seen; on a desktop the picture beside it, on a phone it follows."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(longest)
    page.screenshot(path=tmp_path / "first.png")
    assert page.locator(".answer p").count() == 3
    assert page.evaluate(BOTTOM.format("h1, .answer p")) <= height
    beside = page.evaluate("document.querySelector('.first img').getBoundingClientRect().top") < height / 4
    assert beside == (width == 1280)
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
def test_on_paper_the_page_is_light_and_without_folds(longest, browser, tmp_path):
    """Also from a dark screen: no fold that nobody can open, and no figure or claim that a page's end cuts."""
    page = browser.new_page(color_scheme="dark")
    page.goto(longest)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("details:visible").count() == 0
    breaks = "[...document.querySelectorAll('figure, .claim')].map(each => getComputedStyle(each).breakInside)"
    assert set(page.evaluate(breaks)) == {"avoid"}
    assert page.pdf(path=tmp_path / "report.pdf", format="A4").startswith(b"%PDF")
    page.close()
