"""The growth over n as an SVG: time and memory, both axes logarithmic, for light and dark pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

# Okabe and Ito's colours for all kinds of sight, a little darker or lighter as the page is
_LIGHT = ("#0072b2", "#c25400", "#00805f", "#a6568a", "#8a6d00", "#555555")
_DARK = ("#56b4e9", "#f28e3c", "#2fc79b", "#e09ac6", "#e8c948", "#b0b0b0")
_MARKERS = ("circle", "square", "diamond", "triangle", "circle", "square")
_WIDTH, _HEIGHT = 850, 450
_PANEL_WIDTH, _PANEL_HEIGHT = 330, 290
_LEFT, _GAP, _TOP = 62, 100, 84


@dataclass(frozen=True)
class Series:
    """One contestant: its value at every n it managed."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """A plot of its own with its label of the vertical axis."""

    title: str
    unit: str
    series: list[Series]


@dataclass(frozen=True)
class Axis:
    """A logarithmic scale from values to places."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within low and high; of many, the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [m * 10.0**power for power in powers for m in (1, 2, 5)]
    found = [value for value in found if low <= value * (1 + 1e-9) and value <= high * (1 + 1e-9)]
    if len(found) > 8:
        found = [value for value in found if math.isclose(math.log10(value) % 1, 0, abs_tol=1e-9)]
    return found


def draw(panels: list[Panel]) -> str:
    """The picture; a series has the same colour and marker in every panel."""
    names = list(dict.fromkeys(one.name for panel in panels for one in panel.series))
    parts = [_head(), _legend(names)]
    for number, panel in enumerate(panels):
        left = _LEFT + number * (_PANEL_WIDTH + _GAP)
        parts.append(_panel(panel, left, names))
    if len({len(one.points) for panel in panels for one in panel.series}) > 1:
        parts.append(
            f'<text class="faint" x="{_LEFT}" y="{_HEIGHT - 14}">'
            "A line that ends early: failed at the next size. Both axes are logarithmic.</text>"
        )
    return "\n".join([*parts, "</svg>\n"])


def _head() -> str:
    light = "".join(f".c{k}{{--c:{colour}}}" for k, colour in enumerate(_LIGHT))
    dark = "".join(f".c{k}{{--c:{colour}}}" for k, colour in enumerate(_DARK))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" \
width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="Time and memory against rows">
<style>
svg {{ --ink: #24292f; --faint: #57606a; --grid: #d8dee4; --page: #ffffff;
  font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }}
{light}
@media (prefers-color-scheme: dark) {{
svg {{ --ink: #e6edf3; --faint: #9198a1; --grid: #30363d; --page: #0d1117; }}
{dark}
}}
.page {{ fill: var(--page); }}
text {{ fill: var(--ink); }}
.faint {{ fill: var(--faint); font-size: 12px; }}
.title {{ font-weight: 600; }}
.grid {{ stroke: var(--grid); stroke-width: 1; }}
.line {{ stroke: var(--c); stroke-width: 2; fill: none; stroke-linejoin: round; }}
.c0 .line {{ stroke-width: 3.5; }}
.mark {{ fill: var(--c); stroke: var(--page); stroke-width: 1; }}
</style>
<rect class="page" width="{_WIDTH}" height="{_HEIGHT}"/>"""


def _legend(names: list[str]) -> str:
    parts = []
    left = float(_LEFT)
    for k, name in enumerate(names):
        line = f'<path class="line" d="M{left:.0f} 24h26"/>{_marker(k, left + 13, 24)}'
        text = f'<text x="{left + 33:.0f}" y="28.5">{escape(name)}</text>'
        parts.append(f'<g class="c{k}">{line}{text}</g>')
        left += 58 + 7.4 * len(name)
    return "\n".join(parts)


def _panel(panel: Panel, left: float, names: list[str]) -> str:
    points = [point for one in panel.series for point in one.points]
    xs = sorted({x for x, _ in points})
    values = [y for _, y in points]
    right, bottom = left + _PANEL_WIDTH, _TOP + _PANEL_HEIGHT
    across = Axis(xs[0] / 1.15, xs[-1] * 1.15, left, right)
    up = Axis(min(values) / 1.4, max(values) * 1.4, bottom, _TOP)
    parts = [
        f'<text class="title" x="{left}" y="{_TOP - 14}">{escape(panel.title)}</text>',
        f'<text class="faint" x="{(left + right) / 2}" y="{bottom + 40}" '
        'text-anchor="middle">ids</text>',
    ]
    for tick in ticks(up.low, up.high):
        y = up.place(tick)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(
            f'<text class="faint" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick:g} {panel.unit}</text>"
        )
    for x in xs:
        place = across.place(x)
        parts.append(f'<path class="grid" d="M{place:.1f} {_TOP}V{bottom}"/>')
        parts.append(
            f'<text class="faint" x="{place:.1f}" y="{bottom + 19}" text-anchor="middle">'
            f"{_count(x)}</text>"
        )
    # the first series is drawn last, so that it lies on top
    for one in reversed(panel.series):
        k = names.index(one.name)
        places = [(across.place(x), up.place(y)) for x, y in one.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        marks = "".join(_marker(k, x, y) for x, y in places)
        parts.append(f'<g class="c{k}"><path class="line" d="M{path}"/>{marks}</g>')
    return "\n".join(parts)


def _marker(k: int, x: float, y: float) -> str:
    kind = _MARKERS[k]
    if kind == "circle":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    shape = {
        "square": "m-4.5 -4.5h9v9h-9z",
        "diamond": "m0 -6l6 6l-6 6l-6 -6z",
        "triangle": "m0 -6l5.5 10h-11z",
    }[kind]
    return f'<path class="mark" d="M{x:.1f} {y:.1f}{shape}"/>'


def _count(n: float) -> str:
    """1000000 as 1 M."""
    if n >= 1e6:
        return f"{n / 1e6:g} M"
    return f"{n / 1e3:g} k" if n >= 1e3 else f"{n:g}"
