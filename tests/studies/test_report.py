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
from student_score.studies.claims import Claim, Verdict
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
    assert by_name["plateau"].facts["trainings"] == "481"
    assert re.fullmatch(r"[0-9a-f]{64}, [0-9a-f]{64}", by_name["plateau"].facts["data (SHA-256)"])  # both its rows
    assert by_name["article"].missing.endswith("this makes them: student-score -m experiment=article")
    assert "5 supported" in text
    assert "lowest_diverged_rate 2.2" in text


def test_a_refuted_claim_stands_at_the_top(uri, monkeypatch):
    """The page leads with what did not hold."""
    plateau = study.load("plateau")

    def refuted(content):
        first, *others = plateau.judge(content)
        return [first.claim.judge(False, first.measured), *others]

    monkeypatch.setattr(report, "load", lambda _: replace(plateau, judge=refuted))
    part = report.chapter("plateau", uri)
    assert [item.claim.name for item in part.refuted] == ["three_rows"]
    page = report.render([part], uri=uri, written=datetime.now(UTC))
    assert page.index("What did not hold") < page.index("All claims")
    assert '<span class="badge refuted">1 refuted</span>' in page


def test_what_is_measured_is_escaped_and_rounded(uri):
    """Numbers have four digits, and no text from a record becomes markup."""
    assert [report.number(value) for value in (0.123456, 12345, [1.0, "a"], True)] == [
        "0.1235",
        "12,345",
        "1, a",
        "True",
    ]
    claim = Claim(name="c", sentence="a < b & c", source="<i>s</i>", rule="r")
    part = report.Chapter(name="n", question="q?", judgements=[claim.judge(True, {"<b>": 1})])
    page = report.render([part], uri=uri, written=datetime.now(UTC))
    assert "a &lt; b &amp; c" in page
    assert "&lt;b&gt; 1" in page
    assert "<i>s" not in page


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
    assert capsys.readouterr().out.count("  SUPPORTED: ") == 5
    assert (results / "plateau/verdicts.json").exists()
    [run] = Store(uri, "plateau").search("tags.study = 'plateau'")
    assert run.tags["verdict.limit"] == "supported"
    with pytest.raises(InputError, match="there is no study 'nothing'; there are article, "):
        judge(["nothing", "--uri", uri])


def test_the_studies_are_listed_in_the_order_of_the_report(capsys):
    """Without a name `student-score-study` lists the commands that make records, benchmarks marked."""
    assert judge([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "student-score -m experiment=article"
    assert lines[-1] == "student-score experiment=recording  # a benchmark"
    assert len(lines) == len(known_studies())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1200, "dark")])
def test_the_page_fits_phones_and_dark_rooms(written, tmp_path, width, scheme):
    """Opened from disk, nothing is wider than the window, the figure is drawn, and dark means dark."""
    from playwright.sync_api import sync_playwright

    path = tmp_path / "report.html"
    path.write_text(written[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('img').naturalWidth") > 500
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.close()
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
