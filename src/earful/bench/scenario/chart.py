"""A line chart as inline SVG: a few series over time, phases marked. Pure; used by `page`.

Guarantees an image that needs nothing from outside and can be read without colours: each line's end has its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 860, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 110, 30, 26
_STEPS = (1, 2, 2.5, 5, 10)
_WANTED_TICKS = 5
_LABEL_APART = 13
_COLOURS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """Named values, one for each moment; None leaves a gap."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over the same ascending moments in seconds; `marks` are named moments, `bound` a line not to cross."""

    title: str
    at_s: Sequence[float]
    series: Sequence[Series]
    marks: Sequence[tuple[float, str]] = ()
    bound: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for series in self.series for value in series.values)

    def svg(self) -> str:
        """The image."""
        scale = _Scale.around(self)
        parts = [f'<text class="title" x="{_LEFT}" y="14">{escape(self.title)}</text>']
        parts += [_level(scale, tick) for tick in scale.ticks]
        parts += [_mark(scale, at_s, name) for at_s, name in self.marks]
        parts += [_moment(scale, at_s) for at_s in _ticks(self.at_s[-1] if self.at_s else 1.0)]
        if self.bound is not None and self.bound <= scale.top:
            y = scale.y(self.bound)
            parts.append(f'<line class="bound" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts += [_line(scale, self.at_s, series, nth % _COLOURS) for nth, series in enumerate(self.series)]
        parts += _names(scale, self.series)
        label = escape(self.title, quote=True)
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


@dataclass(frozen=True, slots=True)
class _Scale:
    """From seconds and values to where they are drawn."""

    seconds: float
    ticks: list[float]

    @classmethod
    def around(cls, chart: Chart) -> _Scale:
        values = [value for series in chart.series for value in series.values if value is not None]
        most = max(values, default=0.0) or 1.0
        ticks = _ticks(most)
        step = ticks[1] if len(ticks) > 1 else most
        return cls((chart.at_s[-1] if chart.at_s else 0.0) or 1.0, [*ticks, ticks[-1] + step])

    @property
    def top(self) -> float:
        return self.ticks[-1]

    def x(self, at_s: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * min(at_s / self.seconds, 1.0)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / self.top


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 up to `most`, about five of them."""
    rough = most / _WANTED_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _STEPS if nice * power >= rough * 0.999)
    return [nth * step for nth in range(int(most / step + 0.001) + 1)]


def _level(scale: _Scale, tick: float) -> str:
    y = scale.y(tick)
    line = f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{tick:,g}</text>'


def _moment(scale: _Scale, at_s: float) -> str:
    x = scale.x(at_s)
    return f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{HEIGHT - 8}">{at_s:g} s</text>'


def _mark(scale: _Scale, at_s: float, name: str) -> str:
    x = scale.x(at_s)
    line = f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{HEIGHT - _BOTTOM}"/>'
    return f'{line}<text class="mark" x="{x + 3:.1f}" y="{_TOP}">{escape(name)}</text>'


def _line(scale: _Scale, at_s: Sequence[float], series: Series, colour: int) -> str:
    """One path; a gap where nothing is known, a dot where only one moment is."""
    path, is_down = [], False
    for moment, value in zip(at_s, series.values, strict=True):
        if value is not None:
            path.append(f"{'L' if is_down else 'M'}{scale.x(moment):.1f} {scale.y(value):.1f}")
            path += [] if is_down else ["h.1"]
        is_down = value is not None
    return f'<path class="line c{colour}" d="{"".join(path)}"/>'


def _names(scale: _Scale, series: Sequence[Series]) -> list[str]:
    """Each series' name at the height of its last value, apart from one another."""
    ends = []
    for nth, one in enumerate(series):
        known = [value for value in one.values if value is not None]
        if known:
            ends.append((scale.y(known[-1]), nth % _COLOURS, one.name))
    texts, room = [], HEIGHT - 4.0
    for wanted, colour, name in sorted(ends, reverse=True):
        y = min(wanted + 4, room)
        room = y - _LABEL_APART
        texts.append(f'<text class="name c{colour}" x="{WIDTH - _RIGHT + 6}" y="{y:.1f}">{escape(name)}</text>')
    return texts
