# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of reports and the log of changes, as files."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pgops.sequences.plugins.plugin_utils._files import files as _files
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import folder as _folder
from ansible_collections.pgops.sequences.plugins.plugin_utils._files import log as _log
from ansible_collections.pgops.sequences.plugins.plugin_utils._news import memory as _memory

NOW = "2026-11-26T15:00:00Z"


def names(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def test_each_run_has_its_own_folder_and_latest_leads_to_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "reports"
    for text in ("first", "second"):
        place = _folder.write(folder, NOW, {"report.json": text})
        assert (place / "report.json").read_text() == text == (folder / "latest" / "report.json").read_text()
    assert names(folder) == ["2026-11-26T150000Z", "2026-11-26T150000Z-2", "latest"]
    assert os.readlink(folder / "latest") == "2026-11-26T150000Z-2"


def test_a_run_that_cannot_be_written_leaves_what_was(tmp_path: Path) -> None:
    _folder.write(tmp_path, NOW, {"report.json": "first"})
    with pytest.raises(OSError):
        _folder.write(tmp_path, NOW, {"report.json": "second", "no/such/folder": ""})
    assert names(tmp_path) == ["2026-11-26T150000Z", "latest"]
    assert (tmp_path / "latest" / "report.json").read_text() == "first"


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    place = _folder.write(tmp_path, NOW, {"report.csv": "a\udcffb"})
    assert (place / "report.csv").read_text() == "a\\udcffb"


def test_latest_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(FileExistsError, match="move it away"):
        _folder.write(tmp_path, NOW, {"report.json": "text"})
    assert names(tmp_path) == ["latest"]


def test_earlier_reports_are_read_newest_first_and_broken_ones_passed_over(tmp_path: Path) -> None:
    texts = [
        '{"schema_version": 1, "n": 1}',
        "{",
        '{"schema_version": 9}',
        "[]",
        "[" * 100000,
        "1" * 10000,
        '{"schema_version": 1, "n": 2}',
    ]
    for day, text in enumerate(texts, 10):
        _folder.write(tmp_path, f"2026-11-{day}T15:00:00Z", {"report.json": text})
    for _again in range(10):
        _folder.write(tmp_path, "2026-11-17T15:00:00Z", {"report.csv": ""})
    _folder.write(tmp_path, "2026-11-17T15:00:00Z", {"report.json": '{"schema_version": 1, "n": 3}'})
    assert [document["n"] for document in _folder.earlier(tmp_path, 100)] == [3, 2, 1]
    assert [document["n"] for document in _folder.earlier(tmp_path, 12)] == [3, 2]


def test_only_the_newest_runs_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for day in range(10, 15):
        _folder.write(tmp_path, f"2026-11-{day}T15:00:00Z", {"report.json": "{}"}, keep=2)
    assert names(tmp_path) == ["2026-11-13T150000Z", "2026-11-14T150000Z", "latest", "mine"]


def test_latest_leads_to_a_run_whatever_the_clock(tmp_path: Path) -> None:
    for month in (12, 11, 10):
        place = _folder.write(tmp_path, f"2026-{month}-10T15:00:00Z", {"report.json": "{}"}, keep=1)
        assert (tmp_path / "latest").resolve() == place and place.exists()
    assert names(tmp_path) == ["2026-10-10T150000Z", "latest"]


def test_links_of_other_users_lead_nowhere(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for name in ("reports", "changes.log", "alerts.json"):
        (tmp_path / name).symlink_to(target / name if "." in name else target)
    # One's own are followed.
    _folder.write(tmp_path / "reports", NOW, {"report.json": "{}"})
    _log.append(tmp_path / "changes.log", [{"whole": 1}])
    _files.replace(tmp_path / "alerts.json", "{}")
    assert {"changes.log", "alerts.json", "latest"} < set(names(target))
    if os.geteuid() != 0:
        pytest.skip("only root can lay another user's links")
    for name in ("reports", "changes.log", "alerts.json"):
        os.chown(tmp_path / name, 65534, 65534, follow_symlinks=False)
    for work in (
        lambda: _folder.make_ready(tmp_path / "reports"),
        lambda: _folder.write(tmp_path / "reports", NOW, {"report.json": "{}"}),
        lambda: _log.append(tmp_path / "changes.log", [{"whole": 2}]),
        lambda: _files.replace(tmp_path / "alerts.json", "[]"),
        lambda: _files.read(tmp_path / "alerts.json"),
    ):
        with pytest.raises(OSError, match="belongs to another user"):
            work()
    assert (target / "alerts.json").read_text() == "{}"


def test_a_disk_without_room_for_bytes_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _folder.try_out(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _folder.try_out(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    for name in ("alerts.json", "alerts.json.lock", "changes.log"):
        os.mkfifo(tmp_path / name)
    for work in (
        lambda: _files.read(tmp_path / "alerts.json"),
        lambda: _memory.locked(tmp_path / "alerts.json").__enter__(),
        lambda: _log.append(tmp_path / "changes.log", [{"whole": 1}]),
    ):
        with pytest.raises(OSError):
            work()


def test_what_cannot_be_logged_is_logged_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    log = tmp_path / "log" / "changes.log"
    log.parent.mkdir()
    # A device that is always full.
    log.symlink_to("/dev/full")
    for number in range(2):
        with pytest.raises(_log.KeptError, match="logged by the next run"):
            _log.append(log, [{"n": number}])
    log.unlink()
    _log.make_ready(log)
    assert [json.loads(line)["n"] for line in log.read_text().splitlines()] == [0, 1]
    _log.make_ready(log)
    assert len(log.read_text().splitlines()) == 2 and os.listdir(log.parent) == ["changes.log"]


def test_remains_of_a_killed_run_go_a_day_later(tmp_path: Path) -> None:
    old, new = tmp_path / ".unfinished-old", tmp_path / ".unfinished-new"
    for place in (old, new):
        place.mkdir()
        (place / "report.json").touch()
    os.utime(old, (0, 0))
    _folder.write(tmp_path, NOW, {"report.json": "{}"})
    assert not old.exists() and new.exists()


def _append(path: Path, number: int) -> None:
    for _time in range(50):
        _log.append(path, [{"run": number, "text": "x" * 5000}] * 3)


def test_runs_at_once_do_not_cut_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "changes.log"
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(_append, [(path, number) for number in range(4)])
    lines = [json.loads(line)["run"] for line in path.read_text().splitlines()]
    assert [lines.count(number) for number in range(4)] == [150] * 4
    # What one append writes stays together.
    assert all(len(set(lines[place : place + 3])) == 1 for place in range(0, 600, 3))


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "changes.log"
    path.write_text('{"half": ')
    _log.append(path, [{"whole": 1}])
    assert path.read_text() == '{"half": \n{"whole": 1}\n'


def test_two_writers_that_keep_one_run_leave_one_and_latest_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = _folder._rename
    # A fork would hold the lock as well.
    other = multiprocessing.get_context("spawn").Process(
        target=_folder.write, args=(tmp_path, NOW, {"report.json": "other"}, 1)
    )

    def meet(*args: Any) -> str:
        place = rename(*args)
        monkeypatch.setattr(_folder, "_rename", rename)
        # It comes between this run's folder and latest, unless it is made to wait.
        other.start()
        other.join(5)
        return place

    monkeypatch.setattr(_folder, "_rename", meet)
    _folder.write(tmp_path, NOW, {"report.json": "mine"}, 1)
    other.join()
    assert other.exitcode == 0
    assert (tmp_path / "latest" / "report.json").read_text() == "other"
    assert names(tmp_path) == [os.readlink(tmp_path / "latest"), "latest"]


def test_a_folder_that_somebody_holds_is_written_to_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder, "_LONGEST_WAIT", 0.1)
    _folder.write(tmp_path, NOW, {"report.json": "1"}, keep=1)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        _folder.write(tmp_path, NOW, {"report.json": "2"}, keep=1)
    finally:
        os.close(held)
    assert len(names(tmp_path)) == 3 and (tmp_path / "latest" / "report.json").read_text() == "2"


def test_what_a_killed_run_was_logging_is_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    log = tmp_path / "changes.log"
    lines = [f'{{"n": {number}}}\n' for number in range(4)]
    # It had appended the first, and half of the second.
    log.write_text(lines[0] + lines[1][:3])
    (tmp_path / ".changes.log.waiting").write_text("".join(lines[:3]))
    (tmp_path / f".changes.log.waiting.{'0' * 16}").write_text(lines[3])
    _log.make_ready(log)
    whole = [line for line in log.read_text().splitlines(True) if line != lines[1][:3] + "\n"]
    assert sorted(whole) == lines and names(tmp_path) == ["changes.log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_entries_of_another_user_are_not_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    waiting = tmp_path / ".changes.log.waiting"
    waiting.write_text('{"forged": true}\n')
    os.chown(waiting, 65534, 65534)
    _log.make_ready(tmp_path / "changes.log")
    assert (tmp_path / "changes.log").read_text() == "" and waiting.exists()


def test_a_log_that_somebody_holds_is_waited_for_with_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_log, "_LONGEST_WAIT", 0.1)
    log = tmp_path / "changes.log"
    log.touch()
    with log.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(_log.KeptError, match="kept in"):
            _log.append(log, [{"n": 1}])
    _log.make_ready(log)
    assert log.read_text() == '{"n": 1}\n'
