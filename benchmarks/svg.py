"""Bar charts as SVG, by hand: readable on a light page and on a dark one, without a script or a font of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH = 760
_LABELS = 290
_VALUES = 70
_ROW = 24
_TOP = 58
_BOTTOM = 30
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #3d444d }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #6e7781 }
.bar { fill: #9aa4ae } .ours { fill: #3f7fbf } .spread { stroke: #3d444d; stroke-opacity: .55 }
@media (prefers-color-scheme: dark) {
text { fill: #d1d7e0 } .small { fill: #9198a1 } .bar { fill: #656c76 } .ours { fill: #5b9bd5 }
.spread { stroke: #d1d7e0 }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A median with its quartiles; `is_ours` gives it the colour that stands out."""

    label: str
    value: float
    low: float
    high: float
    is_ours: bool = False


def bar_chart(title: str, unit: str, bars: Sequence[Bar], note: str) -> str:
    """Horizontal bars from zero, one below the other, each with its number and a line for its quartiles."""
    height = _TOP + _ROW * len(bars) + _BOTTOM
    room = _WIDTH - _LABELS - _VALUES
    scale = room / max(bar.high for bar in bars)
    described = "; ".join(f"{bar.label}: {_number(bar.value)}" for bar in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">',
        f"<title>{escape(title)}, {escape(unit)}</title><desc>{escape(described)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
        f'<text class="small" x="0" y="38">{escape(unit)}; the line on a bar is where half of all rounds lie</text>',
    ]
    for position, bar in enumerate(bars):
        lines += _drawn(bar, _TOP + _ROW * position, scale)
    lines += [f'<text class="small" x="0" y="{height - 8}">{escape(note)}</text>', "</svg>", ""]
    return "\n".join(lines)


def _drawn(bar: Bar, top: int, scale: float) -> list[str]:
    width = max(bar.value * scale, 0.0)
    middle = top + _ROW // 2 - 2
    low, high = (_LABELS + max(bound * scale, 0.0) for bound in (bar.low, bar.high))
    after = max(_LABELS + width, high) + 6
    kind = "ours" if bar.is_ours else "bar"
    return [
        f'<text x="{_LABELS - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{width:.1f}" height="{_ROW - 6}" rx="2"/>',
        f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>',
        f'<text x="{after:.1f}" y="{middle + 4}">{_number(bar.value)}</text>',
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
