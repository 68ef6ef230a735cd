# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements in, a table, plots and a file for machines out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

from benchmark.figures import OURS, Fact, spread

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402


class Comparison(NamedTuple):
    """Several contenders at the same task.

    Attributes:
        title: what they did.
        version: PostgreSQL's major version.
        tables: how many tables the database has.
        seconds: of each contender, one for each round; the first contender is what the others are compared with.
    """

    title: str
    version: int
    tables: int
    seconds: Mapping[str, Sequence[float]]

    @property
    def first(self) -> str:
        """The contender that the others are compared with."""
        return next(iter(self.seconds))

    def ratios(self, name: str) -> list[float]:
        """A contender's time by the first one's, round by round."""
        return [one / other for one, other in zip(self.seconds[name], self.seconds[self.first])]


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons as a table in Markdown: median, least and greatest."""
    lines = ["| task | PostgreSQL | tables | | seconds | ratio to the first |", "|---|---|---|---|---|---|"]
    for comparison in comparisons:
        for name, seconds in comparison.seconds.items():
            lines.append(
                f"| {comparison.title} | {comparison.version} | {comparison.tables:,} | {name}"
                f" | {spread(seconds, 2)} | {spread(comparison.ratios(name), 2)} |"
            )
    return "\n".join(lines) + "\n"


def facts_table(facts: Sequence[Fact]) -> str:
    """Return single figures as a table in Markdown."""
    return "\n".join(["| measured | |", "|---|---|", *(f"| {fact.what} | {fact.figure} |" for fact in facts)]) + "\n"


def plot(comparisons: Sequence[Comparison], place: Path) -> None:
    """Draw the ratios of comparisons of one task, as SVG and PNG."""
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.32 * sum(len(found.seconds) + 1 for found in comparisons)))
    labels, row = [], 0
    for comparison in comparisons:
        for name in comparison.seconds:
            ratios = comparison.ratios(name)
            middle = statistics.median(ratios)
            noise = [[middle - min(ratios)], [max(ratios) - middle]]
            color = "#2f6f4f" if name.startswith(OURS) else "#8a8a8a"
            axes.barh(row, middle, xerr=noise, color=color, height=0.7, error_kw={"capsize": 3, "ecolor": "#222222"})
            axes.text(max(ratios), row, f"  {middle:.2f}", va="center", fontsize=8)
            labels.append((row, f"{name}, {comparison.tables:,} tables, PostgreSQL {comparison.version}"))
            row += 1
        row += 1
    axes.set_yticks([place for place, _label in labels], [label for _place, label in labels], fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="#222222", linewidth=0.8)
    axes.set_xlabel(f"time by that of {comparisons[0].first} in the same round: median, least and greatest")
    axes.set_title(comparisons[0].title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    for suffix in (".svg", ".png"):
        figure.savefig(place.with_suffix(suffix), dpi=120)
    pyplot.close(figure)


def write(folder: Path, head: str, comparisons: Sequence[Comparison], facts: Sequence[Fact]) -> str:
    """Write everything to a folder; return the text."""
    folder.mkdir(parents=True, exist_ok=True)
    for title in dict.fromkeys(found.title for found in comparisons):
        plot([found for found in comparisons if found.title == title], folder / title)
    text = f"{head}\n\n{table(comparisons)}\n{facts_table(facts) if facts else ''}"
    (folder / "results.md").write_text(text)
    machine = {
        "head": head,
        "comparisons": [found._asdict() for found in comparisons],
        "facts": [fact._asdict() for fact in facts],
    }
    (folder / "results.json").write_text(json.dumps(machine, indent=1))
    return text
