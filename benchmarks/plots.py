"""Write plots as SVG by hand: two kinds are enough, and a plotting library would be the largest dependency."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _LEFT, _ROW, _TOP = 760, 190, 26, 46
_COLOURS = ("#1b6ca8", "#c2571a", "#3b7d3b", "#7a4b9a")
_GREY = "#8a8f98"


def bars(title: str, values: Mapping[str, float], *, unit: str, ours: str, mark: float | None = None) -> str:
    """Return horizontal bars, shortest first, with `ours` in colour and a dashed line at `mark`."""
    room = _WIDTH - _LEFT - 90
    scale = room / max(values.values())
    parts = []
    for number, (name, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        y = _TOP + number * _ROW
        colour = _COLOURS[0] if name == ours else _GREY
        parts += [
            _text(_LEFT - 8, y + 14, name, anchor="end"),
            f'<rect x="{_LEFT}" y="{y}" width="{value * scale:.1f}" height="18" fill="{colour}"/>',
            _text(_LEFT + value * scale + 6, y + 14, f"{value:.2f}{unit}"),
        ]
    height = _TOP + len(values) * _ROW + 10
    if mark is not None:
        parts.append(_line(_LEFT + mark * scale, _TOP - 6, _LEFT + mark * scale, height - 8, dashed=True))
    return _svg(title, height, parts)


def curves(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, unit: str) -> str:
    """Return lines over a logarithmic x axis; the y axis starts at zero."""
    height, bottom, right = 300, 250, _WIDTH - 170
    xs = [math.log10(x) for points in series.values() for x, _ in points]
    top = max(y for points in series.values() for _, y in points) * 1.15

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - min(xs)) / (max(xs) - min(xs))
        return 70 + across * (right - 70), bottom - y / top * (bottom - _TOP)

    parts = [_line(70, bottom, right, bottom), _line(70, _TOP, 70, bottom)]
    parts += [
        _text(place(10**e, 0)[0], bottom + 18, f"{10**e:,}", anchor="middle")
        for e in range(int(min(xs)), int(max(xs)) + 1)
    ]
    parts += [_text(62, place(10 ** min(xs), y)[1] + 4, f"{y:.3g}{unit}", anchor="end") for y in (0, top / 2, top)]
    for number, (name, points) in enumerate(series.items()):
        colour = _COLOURS[number]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(right + 10, place(*points[-1])[1] + 4, name, fill=colour))
    return _svg(title, height, parts)


def _svg(title: str, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    style = "<style>text{font:13px sans-serif;fill:#333}.title{font-weight:bold}</style>"
    paper = f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    name = f'<title>{escape(title)}</title><text class="title" x="12" y="24">{escape(title)}</text>'
    return "\n".join([head, style, paper, name, *parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str | None = None) -> str:
    colour = f' style="fill:{fill}"' if fill else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{colour}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#555"{dashes}/>'
