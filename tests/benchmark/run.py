# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the collection beside the floor and its peers, in one run, interleaved; write a table and plots of ratios.

``python tests/benchmark/run.py --quick``; the results go to a folder, ``tests/output/benchmark`` by default.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark import cutover, databases  # noqa: E402
from benchmark.extras import all_facts, memory, timed  # noqa: E402
from benchmark.figures import Fact  # noqa: E402
from benchmark.report import Comparison, table, write  # noqa: E402
from benchmark.shop import SETTINGS, Shop  # noqa: E402
from benchmark.whole_task import whole_tasks  # noqa: E402
from benchmark.worse import worse  # noqa: E402
from support.servers import Server  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / "tests" / "output" / "benchmark"

_WHOLE_TASK = 10000
"""Of this many tables whole tasks are measured, too."""

_LARGE = 20000
"""Above this a database is measured once, on the newest version."""


class Contender(NamedTuple):
    """Something that goes through all sequences of a database; ``run`` raises where it did not."""

    name: str
    run: Callable[[], None]


def audits(shop: Shop) -> Iterator[Contender]:
    """Everything that goes through a healthy database."""
    yield Contender("floor", shop.floor)
    yield Contender("floor, whole state", lambda: shop.floor("state"))
    yield Contender("pg_sequence_info, jobs: 2", lambda: _ignore(shop.module("pg_sequence_info", jobs=2)))
    yield Contender("pg_sequence_info", lambda: _ignore(shop.module("pg_sequence_info")))
    yield Contender("sqlsequencereset", shop.django)
    yield Contender("two-step script", shop.two_steps)


def repairs(shop: Shop) -> Iterator[Contender]:
    """Everything that sets the sequences of a database where all are behind."""
    yield Contender("pg_sequence_fix", lambda: _ignore(shop.module("pg_sequence_fix")))
    yield Contender("sqlsequencereset", shop.django)
    yield Contender("two-step script", shop.two_steps)


def _ignore(_unused: object) -> None:
    pass


def compare(title: str, shop: Shop, contenders: Sequence[Contender], rounds: int, behind: bool) -> Comparison:
    """Run contenders in turn, as many rounds as asked for, in another order each time."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    databases.set_all(shop.dsn, 100)
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            if behind:
                databases.set_all(shop.dsn, 1)
            seconds[contender.name].append(timed(contender.run))
            if behind and databases.count_behind(shop.dsn):
                raise AssertionError(f"{contender.name} left sequences behind")
    return Comparison(title, shop.server.version, shop.tables, seconds)


def head(quick: bool) -> str:
    """Say what was measured on what."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("ansible-core", "Django", "psycopg2-binary"))
    return (
        f"`make bench{'-quick' if quick else ''}` on {os.cpu_count()} processors,"
        f" Python {platform.python_version()}, {versions}; PostgreSQL's defaults with"
        f" {', '.join(f'{name} {value}' for name, value in SETTINGS.items())}; every connection new"
    )


def measure(options: argparse.Namespace, scratch: Path) -> tuple[list[Comparison], list[Fact]]:
    """Measure what the command line asks for."""
    comparisons: list[Comparison] = []
    facts: list[Fact] = []
    for version in options.versions:
        place = scratch / str(version)
        place.mkdir(mode=0o755)
        with Server(version, place, settings=SETTINGS, durable=True) as server:
            newest = version == max(options.versions)
            for tables in options.tables:
                if tables > _LARGE and not newest:
                    continue
                shop = Shop(server, tables, scratch)
                rounds = 1 if tables > _LARGE else options.rounds
                for title, contenders in (("audit", audits(shop)), ("repair", repairs(shop))):
                    found = compare(title, shop, list(contenders), rounds, behind=title == "repair")
                    comparisons.append(found)
                    print(table([found]), flush=True)
                if tables > _LARGE:
                    databases.set_all(shop.dsn, 100)
                    facts.append(memory(shop.dsn, tables))
                if newest and (tables == _WHOLE_TASK or options.quick):
                    facts += whole_tasks(shop, options.rounds, scratch)
                    print(*(f"{fact.what}: {fact.figure}" for fact in facts), sep="\n", flush=True)
                databases.execute(server.dsn(), f"DROP DATABASE {shop.name}")
            if newest and not options.quick:
                for fact in all_facts(server, [100, 1000, 10000]):
                    facts.append(Fact(f"PostgreSQL {version}: {fact.what}", fact.figure))
                    print(*facts[-1], sep=": ", flush=True)
    if not options.quick:
        facts += cutover.facts()
    return comparisons, facts


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="The collection beside the floor and its peers.")
    parser.add_argument("--versions", type=int, nargs="+", default=[15, 18], help="PostgreSQL's major versions")
    parser.add_argument("--tables", type=int, nargs="+", default=[1000, 10000, 50000], help="sizes of the databases")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, up to 20,000 tables")
    parser.add_argument("--quick", action="store_true", help="one small database on one server")
    parser.add_argument("--accept", action="store_true", help="write also what got worse than recorded")
    parser.add_argument("--results", type=Path, default=OUTPUT, help="folder")
    options = parser.parse_args()
    if options.quick:
        options.versions, options.tables, options.rounds = [18], [1000], 3
    # Where a disk is: in memory nothing would have to be flushed.
    with tempfile.TemporaryDirectory(prefix="pgops-bench-", dir="/var/tmp") as scratch:
        Path(scratch).chmod(0o755)
        comparisons, facts = measure(options, Path(scratch))
    slower = list(worse(recorded(), [found._asdict() for found in comparisons]))
    # What is recorded stays until somebody has said that it has to be so.
    folder = OUTPUT if slower and not options.accept else options.results
    print(write(folder, head(options.quick), comparisons, facts))
    print(f"written to {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}")
    for line in slower:
        print(f"slower than recorded: {line}")
    return int(bool(slower) and not options.accept)


def recorded() -> list[dict[str, Any]]:
    """The comparisons that docs/performance has."""
    found: list[dict[str, Any]] = json.loads((ROOT / "docs" / "performance" / "results.json").read_text())[
        "comparisons"
    ]
    return found


if __name__ == "__main__":
    sys.exit(main())
