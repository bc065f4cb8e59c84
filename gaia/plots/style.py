"""How pictures look: one place for font, colours, labels and the credit line.

Pictures are made with matplotlib's objects, never with pyplot or its settings, so that processes and threads that draw
do not see each other. The font is the one that matplotlib ships.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from numpy.typing import NDArray

from gaia.releases import ACKNOWLEDGEMENT, LICENCE
from vo import __version__

INK = "#1c2430"
DIM = "#5b6675"
LINE = "#dcd8ce"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of Okabe and Ito: told apart with every kind of colour vision; dashes and markers repeat what they say."""
DASHES = ("solid", (0, (4, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TITLE, LABEL, SMALL = 12, 10, 8.5
"""Sizes of text in points."""
DOTS_PER_INCH = 120
CREDIT = "ESA/Gaia/DPAC"
"""Owed by the licence of Gaia's data."""
METADATA = {
    "Software": f"vo-stack {__version__}",
    "Copyright": f"{CREDIT}, {LICENCE}",
    "Acknowledgement": ACKNOWLEDGEMENT,
}
"""Of files."""
MANY = 12
"""More lines than this are shown as a distribution."""


def figure(width: float = 8.0, height: float = 5.0) -> Figure:
    """Return an empty picture; its sides are in inches."""
    made = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white", layout="constrained")
    FigureCanvasAgg(made)
    return made


def plain(text: str) -> str:
    """Return a text of a client's such that no part of it is read as a formula, at most 80 characters of it."""
    return (text if len(text) <= 80 else text[:79] + "…").replace("$", r"\$")


def prepare(axes: Axes, title: str, horizontal: str, vertical: str) -> None:
    """Give axes their title and labels (with units), and the look of all."""
    axes.set_title(plain(title), fontsize=TITLE, color=INK, loc="left", wrap=True)
    axes.set_xlabel(horizontal, fontsize=LABEL, color=INK)
    axes.set_ylabel(vertical, fontsize=LABEL, color=INK)
    axes.tick_params(which="both", colors=DIM, labelsize=SMALL)
    axes.grid(visible=True, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():  # maps of the sky have one only, all around
        spine.set_visible(side not in ("top", "right"))
        spine.set_color(DIM)


def line(number: int) -> dict[str, Any]:
    """Return colour and dashes of the line of this number; twelve differ."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
        "linewidth": 1.3,
    }


def marker(number: int) -> dict[str, Any]:
    """Return colour and shape of the points of this number; 42 differ."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def legend(axes: Axes, entries: int) -> None:
    """Explain lines and points: within the axes while they are few, beside them otherwise."""
    if entries <= MANY:
        axes.legend(fontsize=SMALL, labelcolor=INK, framealpha=0.85, edgecolor=LINE, loc="best")
        return
    made = axes.get_figure(root=True)
    assert made is not None  # noqa: S101  (axes that were removed have none)
    made.set_size_inches(10.0, max(5.0, 0.19 * entries))
    made.legend(fontsize=SMALL - 1, labelcolor=INK, edgecolor=LINE, loc="outside right upper")


def outlined() -> list[AbstractPathEffect]:
    """Return what keeps text readable on lines: a white rim."""
    return [Stroke(linewidth=2.5, foreground="white"), Normal()]


def nothing(axes: Axes, text: str) -> None:
    """Say in an empty picture why it is so."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=LABEL, color=DIM)


def exponent(values: Iterable[NDArray[np.float64]]) -> int:
    """Return the power of ten, a multiple of three, that brings the largest value to between 1 and 1000; else 0."""
    sizes = [np.abs(array[np.isfinite(array)]).max(initial=0.0) for array in values]
    largest = max(sizes, default=0.0)
    return 3 * floor(log10(largest) / 3) if largest > 0 else 0


def unit(name: str, power: int = 0) -> str:
    """Return a unit in brackets for a label, with its power of ten."""
    return f"(10$^{{{power}}}$ {name})" if power else f"({name})"


def write(made: Figure, path: Path, source: str) -> None:
    """Write a picture as PNG, with what it shows the data of, and credit.

    Parameters
    ----------
    made : matplotlib.figure.Figure
        The picture.
    path : pathlib.Path
        The file.
    source : str
        Where the data are from: ``Gaia DR3, GaiaXPy 2.1.5``.
    """
    made.supxlabel(f"{plain(source)}. Credit: {CREDIT}", x=0.99, ha="right", fontsize=SMALL - 1, color=DIM)
    made.savefig(path, format="png", metadata=METADATA | {"Source": source})
