"""Pictures of transits: when and in which direction, where Gaia looks, how often each part of the sky is seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gaia.plots import style

SOURCE = "Gaia's nominal scanning law"
ANGLES = (-180, -90, 0, 90, 180)
MONTH = 365.25 / 12
FIELDS = ((False, "preceding field"), (True, "following field"))


def timeline(
    path: Path,
    time: NDArray[np.float64],
    scan_angle: NDArray[np.float64],
    following: NDArray[np.bool_],
    in_gap: NDArray[np.bool_],
    *,
    title: str = "Transits",
    source: str = SOURCE,
) -> None:
    """Draw the transits of one target: scan angles by time, and the scans as lines through the target.

    Parameters
    ----------
    path : pathlib.Path
        The PNG file.
    time : numpy.ndarray
        Modified Julian days, TCB at the barycentre, shape (t,).
    scan_angle : numpy.ndarray
        Position angles in degrees.
    following, in_gap : numpy.ndarray
        Which field; whether data were lost.
    title, source : str
        What is shown, and what it comes from.
    """
    picture = style.figure(10.0, 4.6)
    grid = picture.add_gridspec(1, 2, width_ratios=(2.1, 1))
    axes = picture.add_subplot(grid[0])
    style.prepare(axes, title, "Julian year (TCB at the barycentre)", "Scan angle (deg, from north by east)")
    if not len(time):
        style.nothing(axes, "There are no transits in this time.")
    else:
        year = _years(time)
        for number, (behind, name) in enumerate(FIELDS):
            for lost in (False, True):
                here = (following == behind) & (in_gap == lost)
                if here.any():
                    _points(axes, year[here], scan_angle[here], number, name, lost=lost)
        axes.set_yticks(ANGLES)
        axes.set_ylim(-190, 190)
        _plain_years(axes)
        picture.legend(
            fontsize=style.SMALL, labelcolor=style.INK, edgecolor=style.LINE, loc="outside lower left", ncols=2
        )
        _rose(picture, picture.add_subplot(grid[1]), year, scan_angle)
    style.write(picture, path, source)


def many(
    path: Path,
    time: NDArray[np.float64],
    following: NDArray[np.bool_],
    targets: int,
    *,
    title: str = "Transits",
    source: str = SOURCE,
) -> None:
    """Draw how many transits many targets have in each month; for results too large for memory, see `monthly`."""
    months, counts = month_counts(time, following)
    monthly(path, months, counts, targets, title=title, source=source)


def month_counts(
    time: NDArray[np.float64], following: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the months since J2000 from the first to the last, and counts of both fields in them, shape (2, months).

    Counts of parts of a result add up month by month.
    """
    month = np.floor((time - 51544.5) / MONTH).astype(np.int64)
    if not len(month):
        return month, np.zeros((2, 0), dtype=np.int64)
    first, length = int(month.min()), int(np.ptp(month)) + 1
    fields = [np.bincount(month[following == behind] - first, minlength=length) for behind, _ in FIELDS]
    return np.arange(first, first + length), np.array(fields, dtype=np.int64)


def monthly(
    path: Path,
    months: NDArray[np.int64],
    counts: NDArray[np.int64],
    targets: int,
    *,
    title: str = "Transits",
    source: str = SOURCE,
) -> None:
    """Draw counts of transits by month, as `month_counts` gives them, for so many targets."""
    picture = style.figure(9.0, 4.4)
    axes = picture.add_subplot()
    style.prepare(axes, title, "Julian year (TCB at the barycentre)", "Transits in a month")
    if not counts.sum():
        style.nothing(axes, "There are no transits in this time.")
    else:
        bottom = np.zeros(len(months), dtype=np.int64)
        for number, (_, name) in enumerate(FIELDS):
            axes.bar(
                2000 + (months + 0.5) / 12,
                counts[number],
                width=0.9 / 12,
                bottom=bottom,
                color=style.COLOURS[number],
                label=f"{name}: {counts[number].sum():,}",
            )
            bottom += counts[number]
        axes.set_ylim(0, bottom.max() * 1.25)
        _plain_years(axes)
        style.legend(axes, 2)
        axes.text(0.01, 0.97, f"{targets:,} targets", transform=axes.transAxes, va="top", color=style.INK)
    style.write(picture, path, source)


def track(
    path: Path,
    lines: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    *,
    title: str = "Where Gaia looked",
    source: str = SOURCE,
) -> None:
    """Draw lines over the sky, such as those of the fields of view and of the spin axis, and targets.

    Parameters
    ----------
    path : pathlib.Path
        The PNG file.
    lines : sequence of (str, numpy.ndarray, numpy.ndarray)
        Name, right ascension and declination of each, degrees.
    ra, dec : numpy.ndarray
        Of the targets, degrees.
    title, source : str
        What is shown, and what it comes from.
    """
    picture = style.figure(8.6, 5.0)
    axes = _sky(picture, title)
    # Projected here: Matplotlib would put 75 points between any two of a line, and project them one line after another.
    projected = axes.transAffine + axes.transAxes  # type: ignore[attr-defined]
    for number, (name, right, up) in enumerate(lines):
        across, height = _placed(right), np.radians(up)
        edge = np.flatnonzero(np.abs(np.diff(across)) > np.pi) + 1  # over the edge of the map
        points = axes.transProjection.transform(np.column_stack([across, height]))  # type: ignore[attr-defined]
        look = style.line(number)
        drawn = LineCollection(
            np.split(points, edge),
            colors=look["color"],
            linewidths=look["linewidth"],
            label=style.plain(name),
            transform=projected,
        )
        axes.add_collection(drawn, autolim=False)
    if len(ra):
        size = 26 if len(ra) <= 20 else 3
        axes.scatter(_placed(ra), np.radians(dec), s=size, color=style.INK, marker="o", zorder=3, label="targets")
    if len(lines) or len(ra):
        picture.legend(
            fontsize=style.SMALL, labelcolor=style.INK, edgecolor=style.LINE, loc="outside lower left", ncols=4
        )
    style.write(picture, path, source)


def coverage(
    path: Path,
    counts: NDArray[np.int64] | NDArray[np.float64],
    *,
    title: str = "Transits of each pixel",
    source: str = SOURCE,
    label: str = "Transits",
) -> None:
    """Draw a HEALPix map in Mollweide's projection.

    Parameters
    ----------
    path : pathlib.Path
        The PNG file.
    counts : numpy.ndarray
        A value for each pixel, nested numbering, ICRS; NaN where there is none.
    title, source, label : str
        What is shown, what it comes from, what the values are.
    """
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415
    from cdshealpix.nested import lonlat_to_healpix  # noqa: PLC0415  these two bring astropy along

    order = round(np.log2(len(counts) / 12) / 2)
    picture = style.figure(8.6, 5.0)
    axes = _sky(picture, title)
    across, height = np.linspace(-np.pi, np.pi, 721), np.linspace(-np.pi / 2, np.pi / 2, 361)
    middle, level = np.meshgrid((across[:-1] + across[1:]) / 2, (height[:-1] + height[1:]) / 2)
    pixels = lonlat_to_healpix(Longitude(-middle.ravel(), unit="rad"), Latitude(level.ravel(), unit="rad"), order)
    values = np.asarray(counts, dtype=np.float64)[pixels].reshape(middle.shape)
    known = np.asarray(counts, dtype=np.float64)
    low, high = np.nanpercentile(known, (0, 99.5)) if np.isfinite(known).any() else (0.0, 1.0)
    drawn = axes.pcolormesh(across, height, values, cmap="viridis", vmin=low, vmax=max(high, low + 1), rasterized=True)
    bar = picture.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.6, pad=0.04, extend="max")
    bar.set_label(f"{style.plain(label)} (HEALPix order {order})", fontsize=style.LABEL, color=style.INK)
    bar.ax.tick_params(colors=style.DIM, labelsize=style.SMALL)
    style.write(picture, path, source)


def _points(
    axes: Axes, year: NDArray[np.float64], angle: NDArray[np.float64], number: int, name: str, *, lost: bool
) -> None:
    look = style.marker(number)
    axes.scatter(
        year,
        angle,
        s=14 if number else 46,  # both fields see a target in the same direction within two hours
        marker=look["marker"],
        facecolors="none" if lost else look["color"],
        edgecolors=look["color"],
        linewidths=0.9,
        label=f"{name}, in a known gap (to May 2017)" if lost else name,
    )


def _rose(picture: Figure, axes: Axes, year: NDArray[np.float64], angle: NDArray[np.float64]) -> None:
    """Draw each scan as a line through the target, coloured by its time: north up, east left."""
    style.prepare(axes, "Scans over the target", "East", "North")
    turned = np.radians(angle)
    ends = np.stack([-np.sin(turned), np.cos(turned)], axis=1)
    scans = LineCollection(list(np.stack([-ends, ends], axis=1)), cmap="viridis", linewidths=0.9, alpha=0.8)
    scans.set_array(year)
    axes.add_collection(scans)
    axes.set_aspect("equal")
    axes.set_xlim(-1.08, 1.08)
    axes.set_ylim(-1.08, 1.08)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("← East", fontsize=style.LABEL, color=style.INK)
    axes.set_ylabel("North →", fontsize=style.LABEL, color=style.INK)
    bar = picture.colorbar(scans, ax=axes, orientation="horizontal", shrink=0.8, format="{x:.1f}", ticks=MaxNLocator(4))
    bar.set_label("Julian year", fontsize=style.SMALL, color=style.INK)
    bar.ax.tick_params(colors=style.DIM, labelsize=style.SMALL)


def _sky(picture: Figure, title: str) -> Axes:
    """Return axes of the whole sky: ICRS, right ascension grows to the left."""
    axes = picture.add_subplot(projection="mollweide")
    axes.set_title(style.plain(title), fontsize=style.TITLE, color=style.INK, loc="left", pad=12)
    axes.set_xlabel("Right ascension (ICRS)", fontsize=style.LABEL, color=style.INK)
    axes.set_ylabel("Declination", fontsize=style.LABEL, color=style.INK)
    axes.grid(visible=True, color=style.LINE, linewidth=0.6)
    axes.spines["geo"].set_color(style.DIM)
    hours = np.arange(-8, 9, 4)
    axes.set_xticks(-hours * np.pi / 12, [f"{hour % 24}h" for hour in hours])
    axes.tick_params(colors=style.DIM, labelsize=style.SMALL)
    for label in axes.get_xticklabels():
        label.set_path_effects(style.outlined())  # they stand within the map
    return axes


def _placed(ra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place of right ascensions on the map, whose middle is at 0."""
    return np.asarray(-np.radians((ra + 180) % 360 - 180), dtype=np.float64)


def _years(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2000 + (time - 51544.5) / 365.25


def _plain_years(axes: Axes) -> None:
    """Write years as they are, without an offset beside the axis."""
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
