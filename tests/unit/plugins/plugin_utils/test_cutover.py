# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that stand for a cut-over's source, and what is said of readings: whatever they hold, no traceback and no hang."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.file import FileFault, read
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.lines import told
from ansible_collections.pgops.sequences.plugins.plugin_utils._cutover.seen import Reading, Seen
from ansible_collections.pgops.sequences.plugins.plugin_utils._document.fleet import SCHEMA_VERSION

ENTRY = {
    **{"database": "shop", "schema": "public", "name": "s", "data_type": "bigint", "start_value": 1, "increment": 1},
    **{"min_value": 1, "max_value": 2**63 - 1, "cycle": False, "cache_size": 1, "last_value": 5, "is_called": True},
}
REPORT: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "hosts": [{"name": "a", "summary": {"total": 1}}],
    "sequences": [{**ENTRY, "host": "a"}],
    "run": {"check_mode": False},
    "changes": [],
}


def report(**more: Any) -> dict[str, Any]:
    made = copy.deepcopy(REPORT)
    made.update(more)
    return {name: value for name, value in made.items() if value != "none"}


BOMB = "".join(f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]\n" for before, one in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(REPORT)[:200], "is neither JSON nor YAML"),
        ("[" * 100000, "is nested deeper than any report"),
        ('{"a":' * 100000, "is nested deeper than any report"),
        ('[{"last_value": ' + "9" * 5000 + "}]", "is neither JSON nor YAML"),
        ("a: b\n" * 4_000_000, "is no JSON"),
        (f"a: &a [x]\n{BOMB}sequences: [{{{', '.join(f'{k}: 1' for k in ENTRY)}, last_value: *i}}]", "is no name"),
        ("!!python/object/apply:os.system ['id']", "is neither JSON nor YAML"),
        ("", "is neither a report.json nor"),
        (report(hosts="none"), "lacks parts of it"),
        (report(hosts="abc"), "lacks parts of it"),
        (report(hosts=[{"name": "a", "summary": "abc"}]), "lacks parts of it"),
        (report(run="none"), "lacks parts of it"),
        (report(sequences=None), "lacks parts of it"),
        (report(sequences=["x"]), "lacks parts of it"),
        (report(sequences=[ENTRY]), "lists 0 of 1 sequences"),
        (report(schema_version={"a": 1}), "of version no number"),
        ([{**ENTRY, "last_value": float("nan")}], "nan is no whole number"),
        ([{**ENTRY, "last_value": 10**30}], "beyond what a sequence can hold"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_files_that_cannot_be_the_reference_are_refused_in_a_sentence(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(FileFault) as caught:
        read(path)
    assert said in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)], ids=["pipe", "folder", "loop"]
)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "reference")
    with pytest.raises(FileFault):
        read(tmp_path / "reference")


@pytest.mark.parametrize("content", [report(), {"positions": json.dumps([ENTRY])}, {"sequences": [ENTRY]}, [ENTRY]])
def test_files_that_are_a_reference(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "report.json"
    path.write_text("\ufeff" + json.dumps(content))
    assert read(path) == [{**ENTRY, "columns": []}]


def seen(still_at: str = "", enabled: bool = True, lag: int | None = 500, **more: Any) -> Seen:
    slot = {"name": "from_old", "database": "shop", "confirmed": "1/500", "lag_bytes": lag}
    activity = {"slots": [slot] if lag is not None else [], "writers": [], "sees_all_writers": True}
    reading = Reading([dict(ENTRY)], "[]", {"address": "old", "port": 1}, activity, [{"name": "shop"}])
    one = {"name": "from_old", "slot": "from_old", "enabled": enabled, "tables": 1, "not_ready": []}
    comparison = {
        **dict.fromkeys(("given", "compared", "equal"), 1),
        **dict.fromkeys(("behind", "ahead", "differs", "unreadable", "not_selected", "other_databases"), 0),
        **{"only_here": [], "only_there": [], "standing_ahead": [], "defined_otherwise": []},
    }
    database = {"name": "shop", "error": None, "subscriptions": [one]}
    target = {"databases": [database], "sequences": [], "summary": {"total": 1}, "comparison": comparison}
    target["server"] = {"address": "new", "port": 2}
    usual = {
        **{
            "host": "new",
            "command": "again",
            "check_mode": False,
            "readings": (reading, reading),
            "file": "",
            "may_move": False,
        },
        **{"before": target, "fixed": {"changes": [], "not_fixed": []}, "target": target, "databases": {}},
    }
    return Seen(**{**usual, "still_at": still_at, **more})


@pytest.mark.parametrize(
    ("still_at", "lag", "reason"),
    [
        # Whatever other databases of its server go on to write.
        ("1/500", 90000, ""),
        ("1/400", 90000, ""),
        ("1/510", 90000, "lags 16 bytes"),
        ("2/0", 90000, "lags 4294966016 bytes"),
        ("", 90000, "lags 90000 bytes"),
        ("1/500", None, ""),
    ],
)
def test_lag_is_measured_up_to_where_the_source_stood_still(still_at: str, lag: int | None, reason: str) -> None:
    said = told(seen(still_at, lag=lag))
    assert said["switchable"] == (not reason) and reason in said["verdict"]
    assert ("lags is not known from here" in said["verdict"]) == (lag is None)


@pytest.mark.parametrize(("still_at", "lag", "may"), [("1/500", 0, True), ("1/510", 16, False), ("1/500", None, False)])
def test_a_subscription_that_is_off_is_no_matter_once_all_has_arrived(
    still_at: str, lag: int | None, may: bool
) -> None:
    said = told(seen(still_at, enabled=False, lag=lag))
    assert said["switchable"] == may and ("is switched off" in said["verdict"]) != may


def kept(waiting: list[str], enabled: bool = True, otherwise: str = "") -> Seen:
    """One whose subscription keeps three sequences, some of which it has yet to set."""
    base = seen("1/500", enabled=enabled, lag=0)
    (one,) = base.target["databases"][0]["subscriptions"]
    one.update(sequences=3, not_synchronized=waiting)
    if otherwise:
        differs = {"what": otherwise, "here": "2", "there": "1"}
        base.target["comparison"]["defined_otherwise"].append(
            {"database": "shop", "schema": "public", "name": "a", "differences": [differs], "statement": "ALTER ..."}
        )
    return base


def test_what_an_enabled_subscription_has_yet_to_set_is_a_reason() -> None:
    said = told(kept(["public.a", "public.b"], otherwise="increment"))
    assert not said["switchable"] and not said["hard"]
    assert "the subscription from_old has yet to set 2 sequences to the source's values" in said["verdict"]
    steps = " ".join(said["lines"])
    assert "give public.a the definition of the source" in steps and "GRANT SELECT ON SEQUENCE public.b TO" in steps
    assert "3 sequences, not synchronized: public.a, public.b" in steps
    # Another CACHE keeps nobody from copying it.
    steps = " ".join(told(kept(["public.a"], otherwise="cache_size"))["lines"])
    assert "definition of the source" not in steps and "GRANT SELECT ON SEQUENCE public.a TO" in steps


@pytest.mark.parametrize(("waiting", "enabled"), [([], True), (["public.a"], False)])
def test_what_is_set_or_will_not_be_is_no_reason(waiting: list[str], enabled: bool) -> None:
    said = told(kept(waiting, enabled))
    assert said["switchable"], said["verdict"]
    lines = " ".join(said["lines"])
    assert ("no REFRESH SEQUENCES after this run" in lines) == enabled
    assert ("DROP SUBSCRIPTION from_old; enabled again it would set 1 sequence" in lines) != enabled


def test_no_run_that_did_not_come_to_its_end_may_be_switched() -> None:
    for fixed in ({}, {"changes": [], "not_fixed": []}):
        said = told(seen("1/500", fixed=fixed), "the target could not be read")
        assert not said["switchable"] and said["verdict"] == "not yet, because the target could not be read"
        assert any(line.startswith("next:") for line in said["lines"])


def test_one_that_is_left_hides_none_of_that_name_in_another_database() -> None:
    base = seen("1/500")
    one = {"schema": "public", "name": "s", "message": "m", "remedy": None, "reasons": ["behind"]}
    fixed = {"changes": [], "not_fixed": [{**one, "database": "a"}]}
    target = {**base.target, "sequences": [{**one, "database": "b", "status": "critical"}]}
    assert "1 sequence is behind again (b public.s: m)" in told(base._replace(fixed=fixed, target=target))["verdict"]
