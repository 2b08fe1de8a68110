"""The course of a run as a picture: an SVG of three charts above each other."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.seen import Seen

WIDTH: Final = 860
_LEFT, _RIGHT, _TOP, _HEIGHT, _GAP = 60, 30, 70, 150, 60
_LEGEND = 300
_GRID_LINES = 4
_FACTORS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15)  # the last one where rounding has the first one small
_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7a5195")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:14px}"
    ".grid{stroke:#ddd}.line{fill:none;stroke-width:1.6}"
)


@dataclass(frozen=True)
class Chart:
    """Lines over the time of the run; `lines` are by name, a value for each slice."""

    title: str
    lines: Mapping[str, Sequence[float]]


def charts(seen: Seen) -> list[Chart]:
    """What is drawn of a run."""
    each = seen.slice_seconds
    commands = sorted({name for one in seen.slices for name in one.answered})
    rates = {name: [one.answered[name] / each for one in seen.slices] for name in commands}
    rates["errors"] = [one.errors / each for one in seen.slices]
    milliseconds = {
        f"{percent} of 100": [one.latencies.percentile(percent) * 1000 for one in seen.slices]
        for percent in (50, 99)
    }
    return [
        Chart("Pings held", {"held": [float(one.held) for one in seen.slices]}),
        Chart("Answers a second", rates),
        Chart("Sync and FolderSync, in ms", milliseconds),
    ]


def svg(seen: Seen, title: str) -> str:
    """The picture, as a file has it."""
    drawn = charts(seen)
    height = _TOP + len(drawn) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="24">{html.escape(title)}</text>',
    ]
    for place, chart in enumerate(drawn):
        parts += _draw(chart, _TOP + place * (_HEIGHT + _GAP), seen.seconds)
    return "\n".join([*parts, "</svg>\n"])


def _draw(chart: Chart, top: float, seconds: float) -> Iterator[str]:
    most = _round_up(max((max(values) for values in chart.lines.values()), default=0.0))
    yield from _frame(chart, top, most, seconds)
    x = _LEGEND
    for (name, values), colour in zip(chart.lines.items(), _COLOURS, strict=False):
        step = (WIDTH - _LEFT - _RIGHT) / max(len(values) - 1, 1)
        points = " ".join(
            f"{_LEFT + place * step:.1f},{top + _HEIGHT - value / most * _HEIGHT:.1f}"
            for place, value in enumerate(values)
        )
        yield f'<polyline class="line" stroke="{colour}" points="{points}"/>'
        label = html.escape(name)
        yield f'<text x="{x}" y="{top - 8}" style="fill:{colour}">{label}</text>'
        x += 110


def _frame(chart: Chart, top: float, most: float, seconds: float) -> Iterator[str]:
    """Title, grid and the numbers beside it."""
    yield f'<text class="title" x="{_LEFT}" y="{top - 8}">{html.escape(chart.title)}</text>'
    right = WIDTH - _RIGHT
    for line in range(_GRID_LINES + 1):
        y = top + _HEIGHT * line / _GRID_LINES
        value = most * (1 - line / _GRID_LINES)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    for share in (0.0, 0.5, 1.0):
        x = _LEFT + (right - _LEFT) * share
        yield (
            f'<text x="{x:.0f}" y="{top + _HEIGHT + 16}" text-anchor="middle">'
            f"{seconds * share:g} s</text>"
        )


def _round_up(value: float) -> float:
    """The next number with one digit, or its half, and zeros; 1 for nothing."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(factor * size for factor in _FACTORS if factor * size >= value)
