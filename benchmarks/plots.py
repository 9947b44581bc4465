"""Bar charts as SVG, on a logarithmic axis, readable on light and dark pages."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, NAMES_WIDTH, VALUES_WIDTH = 760, 210, 90
TOP, BAR, GAP, BOTTOM = 44, 22, 12, 46

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .axis { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; }
  .bar { fill: #8c959f; }
  .ours { fill: #0969da; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .axis { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .bar { fill: #656c76; }
    .ours { fill: #4493f8; }
    .spread { stroke: #f0f6fc; }
  }
"""


class Bar(NamedTuple):
    """A median, and from where to where the rounds went."""

    name: str
    value: float
    lowest: float
    highest: float
    is_ours: bool


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """The chart's text. Values have to be above zero, for the axis has no zero."""
    first = math.floor(math.log10(min(row.lowest for row in rows)))
    last = math.ceil(math.log10(max(row.highest for row in rows)))
    last = max(last, first + 1)
    room = WIDTH - NAMES_WIDTH - VALUES_WIDTH

    def x(value: float) -> float:
        return round(NAMES_WIDTH + room * (math.log10(value) - first) / (last - first), 1)

    end = TOP + len(rows) * (BAR + GAP)
    parts = [f'<text class="title" x="0" y="18">{escape(title)}</text>']
    for power in range(first, last + 1):
        at = x(10**power)
        parts += [
            f'<line class="grid" x1="{at}" y1="{TOP - 6}" x2="{at}" y2="{end}"/>',
            f'<text class="axis" x="{at}" y="{end + 16}" text-anchor="middle">'
            f"{_number(10**power)}</text>",
        ]
    parts.append(
        f'<text class="axis" x="{NAMES_WIDTH + room / 2}" y="{end + 36}" text-anchor="middle">'
        f"{escape(unit)}</text>"
    )
    for number, row in enumerate(rows):
        y = TOP + number * (BAR + GAP)
        middle = y + BAR / 2
        kind = "bar ours" if row.is_ours else "bar"
        parts += [
            f'<text x="{NAMES_WIDTH - 10}" y="{middle + 4}" text-anchor="end">'
            f"{escape(row.name)}</text>",
            f'<rect class="{kind}" x="{NAMES_WIDTH}" y="{y}" height="{BAR}" rx="2" '
            f'width="{round(x(row.value) - NAMES_WIDTH, 1)}"/>',
            f'<line class="spread" x1="{x(row.lowest)}" y1="{middle}" x2="{x(row.highest)}" '
            f'y2="{middle}"/>',
            f'<text x="{max(x(row.value), x(row.highest)) + 8}" y="{middle + 4}">'
            f"{_number(row.value)}</text>",
        ]
    height = end + BOTTOM
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title, quote=True)}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
