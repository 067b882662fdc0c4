"""The results for people: a table in Markdown, and bars in SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

__all__ = ["chart", "table"]

Found = Mapping[str, Mapping[str, float]]

_WIDTH: Final = 760
_BAR: Final = 18
_LEFT: Final = 150


def table(store: str, found: Found) -> str:
    """A row for each contestant, a column for each measure; ratios to jobkit behind the rates."""
    measures = list(dict.fromkeys(what for told in found.values() for what in told))
    ours = found.get("jobkit", {})
    head = f"| {store} | " + " | ".join(measures) + " |"
    rows = [
        f"| {name} | "
        + " | ".join(_cell(told.get(what), ours.get(what)) for what in measures)
        + " |"
        for name, told in found.items()
    ]
    return "\n".join([head, "|---" * (len(measures) + 1) + "|", *rows])


def _cell(value: float | None, ours: float | None) -> str:
    if value is None:
        return ""
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    if not ours or not value or value == ours:
        return shown
    return f"{shown} (x {ours / value:.2g})"


def chart(results: Mapping[str, Found]) -> str:
    """The drains of all stores, as bars that share one scale within a store."""
    parts: list[str] = []
    y = 0
    for store, found in results.items():
        rates = {name: told["drain"] for name, told in found.items() if "drain" in told}
        if not rates:
            continue
        y += 34
        parts.append(f'<text class="store" x="0" y="{y}">{escape(store)}, jobs/s</text>')
        most = max(rates.values())
        for name, rate in sorted(rates.items(), key=lambda each: -each[1]):
            y += _BAR + 6
            parts.append(_bar(name, rate, rate / most, y))
    style = (
        "text{font:13px sans-serif}.store{font-weight:bold}rect{fill:#8aa}.jobkit{fill:#c52}"
        "@media(prefers-color-scheme:dark){text{fill:#eee}}"
    )
    size = f'width="{_WIDTH}" height="{y + 20}" viewBox="0 0 {_WIDTH} {y + 20}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>'
        + "".join(parts)
        + "</svg>\n"
    )


def _bar(name: str, rate: float, share: float, y: int) -> str:
    width = max(1, round(share * (_WIDTH - _LEFT - 90)))
    kind = ' class="jobkit"' if name == "jobkit" else ""
    return (
        f'<text x="0" y="{y}">{escape(name)}</text>'
        f'<rect{kind} x="{_LEFT}" y="{y - 13}" width="{width}" height="{_BAR - 2}"/>'
        f'<text x="{_LEFT + width + 6}" y="{y}">{rate:,.0f}</text>'
    )
