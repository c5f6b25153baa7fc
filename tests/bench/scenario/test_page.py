"""The page and its pictures: whole, by themselves, and harmless."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from tests.support.stretches import OVERLOAD, outcome, timeline

from earful.bench.scenario.chart import Chart, Series
from earful.bench.scenario.page import charts_of, page_of
from earful.bench.scenario.table import checks_lines, phases_table


def test_the_page_loads_nothing() -> None:
    """No address, no script, no import: it can be looked at anywhere, for ever."""
    page = page_of(outcome())
    assert [] == re.findall(r"https?:|src=|href=|url\(|@import|<script|<link", page)
    assert page.startswith("<!doctype html>")


def test_the_page_has_a_picture_of_everything_that_is_known() -> None:
    """Seven, and one of refusals where there were some."""
    assert 7 == page_of(outcome()).count("<svg")
    assert 8 == page_of(outcome(line=timeline(OVERLOAD, refused=3))).count("<svg")


def test_pictures_are_well_formed() -> None:
    """Whatever is in them."""
    for chart in charts_of(outcome()):
        image = ET.fromstring(chart.svg())  # noqa: S314 - made here
        assert chart.title == image.get("aria-label")


def test_the_page_tells_what_held_and_what_did_not() -> None:
    """In its table, and at its head."""
    page = page_of(outcome(line=timeline(OVERLOAD, latency_ms=50.0, good_s=0.0)))
    assert 1 == page.count("Did not hold: goodput at least 90% of its peak.")
    assert 1 == page.count('<td class="fails">fails</td>')


def test_what_was_not_judged_says_why() -> None:
    """On the page as in the lines; it is marked as no failure."""
    result = outcome()
    assert 1 == page_of(result).count("<td>not judged: nobody was refused</td>")
    assert 'class="fails"' not in page_of(result)
    assert "not judged  refusals answered within 100 ms at p99: nobody was refused" in checks_lines(result)


def test_only_what_was_played_is_marked() -> None:
    """Not all phases that were still to come at the last moment, one over another."""
    played = [[name for _, name in chart.marks] for chart in charts_of(outcome(played_s=7.5))]
    assert [["filling", "0.5x", "1x"]] * 8 == played
    assert ["filling", "0.5x", "1x", "4x", "0.5x"] == [name for _, name in charts_of(outcome())[0].marks]
    assert "<svg" not in page_of(outcome(played_s=0.5))


def test_words_of_others_are_text() -> None:
    """Not markup."""
    image = Chart("<b>&", [0.0, 1.0], [Series("<i>", [1.0, 2.0])], [(0.5, "<u>")]).svg()
    assert [] == re.findall(r"<[biu]>", image)


@pytest.mark.parametrize("values", [[None, 1.0, None, 2.0, 3.0], [0.0] * 5, [1e-3] * 5, [1e7] * 5])
def test_any_values_can_be_drawn(values: list[float | None]) -> None:
    """Within the image; a gap begins a new line."""
    chart = Chart("any", [0.0, 1.0, 2.0, 3.0, 4.0], [Series("one", values), Series("two", values)], bound=1.0)
    image = chart.svg()
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", image)]
    assert 0 <= min(heights) <= max(heights) <= 220
    assert (2 if None in values else 1) * 2 == image.count("M")


def test_nothing_known_is_an_empty_picture() -> None:
    """Which the page leaves out, and which can be drawn all the same."""
    chart = Chart("none", [], [Series("one", [])])
    assert chart.is_empty
    assert "<svg" in chart.svg()


def test_the_table_has_a_row_for_each_phase() -> None:
    """And the promises a line."""
    result = outcome()
    assert 4 == phases_table(result).row_count
    assert "holds  no sessions lost: 0" == checks_lines(result)[0]
