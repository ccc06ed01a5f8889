"""The ratios of the table as a bar chart in SVG, on a logarithmic axis."""
import math
from xml.sax.saxutils import escape

from report import by_label, duration, number
from works import LIMITS

WIDTH, LEFT, RIGHT = 960, 260, 150
BAR, GAP, HEAD, TOP, FOOT = 15, 4, 26, 76, 36
OURS, PEER, LIMIT = "#1f6fb2", "#b9c3cd", "#7fb08a"


class Axis:
    """Ratios to x; the decades that hold them all, 1 among them."""

    def __init__(self, ratios):
        self.low = math.floor(math.log10(min(ratios + [0.5])))
        self.high = math.ceil(math.log10(max(ratios + [2])))

    def x(self, ratio):
        part = (math.log10(ratio) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def text(x, y, words, anchor="start", size=12, weight="normal", fill="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{fill}">{escape(words)}</text>')


def colour(figure):
    if figure.label in LIMITS:
        return LIMIT
    return OURS if figure.ours else PEER


def bar(axis, y, figure, reference):
    ratio = figure.median / reference.median
    start, end = sorted((axis.x(1), axis.x(ratio)))
    words = f"{number(ratio)}  ({duration(figure.median)})"
    return [
        text(LEFT - 8, y + BAR - 4, figure.label, "end"),
        f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 2):.1f}" height="{BAR}" '
        f'fill="{colour(figure)}"/>',
        text(end + 5, y + BAR - 4, words, size=11, fill="#555"),
    ]


def group(axis, y, row, figures, reference):
    """The parts of one row, and where the next one starts."""
    parts = [text(12, y + 17, row.name, size=14, weight="bold"),
             text(LEFT, y + 17, row.text, size=11, fill="#555")]
    y += HEAD
    for figure in figures:
        parts += bar(axis, y, figure, reference)
        y += BAR + GAP
    return parts, y + 8


def grid(axis, bottom):
    parts = []
    for ratio in axis.decades():
        x = axis.x(ratio)
        stroke = "#666" if ratio == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" '
                     f'stroke="{stroke}"/>')
        parts.append(text(x, bottom + 16, f"{ratio:g}", "middle", 11))
    return parts


def shown(measured):
    for row, figures in measured:
        reference = by_label(figures, row.reference)
        if reference:
            yield row, [f for f in figures if f.measured], reference


def write(path, machine, measured):
    """Writes the chart of what was measured; longer bars took longer."""
    groups = list(shown(measured))
    axis = Axis([f.median / reference.median for _, figures, reference in groups for f in figures])
    bars, y = [], TOP
    for row, figures, reference in groups:
        parts, y = group(axis, y, row, figures, reference)
        bars += parts
    head = [text(12, 26, "Time, as a multiple of luas's (many: of 2 workers')", size=16,
                 weight="bold"),
            text(12, 46, machine, size=11, fill="#555")]
    height = y + FOOT
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
           *head, *grid(axis, y), *bars, "</svg>\n"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(svg))
