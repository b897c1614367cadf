"""The page in a real browser: it renders, complains of nothing, asks for nothing, runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from mlxdiag.report import Report
from tests.checks.recorded import reported
from tests.render.awkward import awkward
from tests.render.browser import NO_BROWSER, Page, browser
from tests.render.measured import measured

pytestmark = pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER)

REPORTS = ("incident", "mesh-8", "ring-64", "unreachable-host", "awkward-ports", "awkward-probe")


def made(name: str) -> Report:
    if name == "measured-twice":
        return measured(twice=True)
    return awkward(name.removeprefix("awkward-")) if "awkward" in name else reported(name)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(page: Page) -> Iterator[Page]:
    page.show()
    yield page
    page.show()


def write(name: str, folder: Path) -> str:
    target = folder / "report.html"
    target.write_text(FORMATS["html"](made(name), Style()), encoding="utf-8")
    return target.as_uri()


@pytest.mark.parametrize("name", REPORTS)
def test_it_renders_in_silence_and_asks_for_nothing(name: str, show: Page, tmp_path: Path) -> None:
    url = write(name, tmp_path)
    show.open(url)
    assert [asked for asked in show.requests if not asked.startswith("data:")] == [url]
    assert show.said == []
    report = made(name)
    assert show.eval("document.querySelectorAll('main > *').length") >= 5
    assert show.eval("document.querySelectorAll('svg .host').length") == len(report.cluster.facts)
    assert show.eval("document.querySelectorAll('svg path.wire[d] > title').length") == len(
        report.links
    )
    assert show.eval("document.title").startswith(report.verdict.upper())


@pytest.mark.parametrize("command", ["ports", "probe"])
def test_hostile_text_stays_text(command: str, show: Page, tmp_path: Path) -> None:
    show.open(write(f"awkward-{command}", tmp_path))
    assert show.eval("typeof window.hit") == "undefined"
    assert show.eval("document.querySelectorAll('script, img, iframe, main style').length") == 0
    assert show.eval("document.body.textContent.includes('<script>window.hit=1</script>')")
    assert show.eval("[...document.querySelectorAll('a[href]')].length") == 0


def test_the_policy_stops_what_would_get_through(show: Page, tmp_path: Path) -> None:
    """Break the escapes on purpose: the page's own policy is the second wall."""
    url = write("incident", tmp_path)
    target = tmp_path / "report.html"
    bad = "<img src='http://127.0.0.1:9/i.png' onerror='window.hit=1'><script>window.hit=1</script>"
    target.write_text(target.read_text(encoding="utf-8").replace("<main>", f"<main>{bad}"))
    show.open(url)
    assert show.eval("typeof window.hit") == "undefined"
    assert show.said


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [390, 768, 1400])
def test_it_is_never_wider_than_the_screen(
    name: str, width: int, show: Page, tmp_path: Path
) -> None:
    show.show(width=width)
    show.open(write(name, tmp_path))
    assert show.eval("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "name", ["incident", "unreachable-host", "mesh-9-hosts-ring", "measured-twice"]
)
def test_on_a_phone_the_whole_map_is_seen(name: str, show: Page, tmp_path: Path) -> None:
    show.show(width=390)
    show.open(write(name, tmp_path))
    cut = """[...document.querySelectorAll('.map')].map(map => [
      map.parentElement.scrollWidth - map.parentElement.clientWidth,
      ...[...map.querySelectorAll('th, td, .half, .cell')].map(e => e.scrollWidth - e.clientWidth)
    ]).map(all => Math.max(...all))"""
    beyond = show.eval(cut)
    assert beyond
    assert max(beyond) <= 1, beyond


LUMINANCE = """(() => {
  const of = (e, what) => getComputedStyle(e)[what].match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(
    v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
  ).reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const card = light(of(document.querySelector('.card'), 'backgroundColor'));
  const found = [...document.querySelectorAll('h1, h2, h3, p, td, .soft, .kind, .legend, .mark')];
  return Math.min(...found.map(e => {
    const ink = light(of(e, 'color'));
    return (Math.max(ink, card) + .05) / (Math.min(ink, card) + .05);
  }));
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["incident", "awkward-probe"])
def test_text_stands_out_from_its_card(name: str, scheme: str, show: Page, tmp_path: Path) -> None:
    show.show(scheme=scheme)
    show.open(write(name, tmp_path))
    dark = show.eval("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 24)"
    assert dark == (scheme == "dark")
    assert show.eval(LUMINANCE) >= 4


def test_names_in_boxes_stay_in_their_boxes(show: Page, tmp_path: Path) -> None:
    show.open(write("incident", tmp_path))
    inside = """[...document.querySelectorAll('.host')].every(host => {
      const box = host.querySelector('rect').getBoundingClientRect();
      return [...host.querySelectorAll('.name, .note, .port')].every(text => {
        const own = text.getBoundingClientRect();
        return own.left >= box.left && own.right <= box.right && own.top >= box.top;
      });
    })"""
    assert show.eval(inside) is True


def test_no_cable_leaves_the_picture(show: Page, tmp_path: Path) -> None:
    for name in ("incident", "two-cables", "mesh-8", "ring-64", "clean-pair", "self-loop"):
        show.open(write(name, tmp_path))
        inside = """(() => {
          const svg = document.querySelector('.picture > svg').getBoundingClientRect();
          return [...document.querySelectorAll('.picture > svg :not(title)')].every(e => {
            const own = e.getBoundingClientRect();
            return own.left >= svg.left - 1 && own.right <= svg.right + 1 &&
              own.top >= svg.top - 1 && own.bottom <= svg.bottom + 1;
          });
        })()"""
        assert show.eval(inside) is True, name


@pytest.mark.parametrize("name", ["incident", "ring-64", "measured-twice"])
def test_nothing_is_wider_than_a_sheet(name: str, show: Page, tmp_path: Path) -> None:
    show.show(width=703, media="print")  # A4 between the margins of the page
    show.open(write(name, tmp_path))
    assert show.eval("document.documentElement.scrollWidth") <= 703


def test_two_matrices_have_a_map_each_and_what_is_behind_its_sign(
    show: Page, tmp_path: Path
) -> None:
    show.open(write("measured-twice", tmp_path))
    titles = "[...document.querySelectorAll('h2')].map(e => e.textContent)"
    assert [t for t in show.eval(titles) if t.startswith("Pairs")] == [
        "Pairs: jaccl",
        "Pairs: ring",
    ]
    signs = """[...document.querySelectorAll('.map')].map(map =>
      [...map.querySelectorAll('td')].filter(td => td.querySelector('b')).map(td => td.title))"""
    jaccl, ring = show.eval(signs)
    assert {title.partition(":")[0] for title in jaccl} == {
        "macstudio2 - macstudio4",
        "macstudio4 - macstudio2",
    }
    assert {title.partition(":")[0] for title in ring} == {
        "macstudio1 - macstudio3",
        "macstudio3 - macstudio1",
    }
    assert all("below the median" in title for title in (*jaccl, *ring))
    assert show.eval("document.querySelectorAll('.curve').length") >= 3
    inside = """[...document.querySelectorAll('.axis')].every(text => {
      const own = text.getBoundingClientRect();
      const box = text.closest('svg').getBoundingClientRect();
      return own.left >= box.left && own.right <= box.right + 1;
    })"""
    for width in (390, 1100):
        show.show(width=width)
        assert show.eval(inside) is True, width


def test_it_prints_on_few_sheets(show: Page, tmp_path: Path) -> None:
    show.open(write("incident", tmp_path))
    printed = show.paper()
    assert printed.startswith(b"%PDF")
    assert 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 4
