# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of the same name in the background and shows the operator how far it is."""

from __future__ import annotations

import secrets
import shlex
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash

display = Display()

# async_wrapper ends a job after this many seconds; a restore may take as long as it takes.
_NO_LIMIT = 10 * 365 * 24 * 3600

# Seconds. A line is due 30 seconds after the last; a poll may take some of them.
_LINE_EVERY = 20.0
_POLL_AT_FIRST = 0.3
_POLL_AT_LAST = 5.0

# Polls in a row that may find the host out of reach: some 15 minutes, in which the restore goes on.
_UNREACHABLE_POLLS = 180


class _Look(t.NamedTuple):
    """What the progress file said: a line for the operator, the id of the process, and whether that is no more."""

    line: str = ""
    process: str = ""
    gone: bool = False


class ActionModule(ActionBase):
    """The action; options are the module's."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module.

        :returns: the module's result
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        wants_async = self._task.async_val and not self._connection.has_native_async
        if wants_async or self._task.check_mode or self._connection.always_pipeline_modules:
            # The user polls, or it is short, or the connection has no shell to wait in.
            result = merge_hash(result, self._execute_module(task_vars=task_vars, wrap_async=bool(wants_async)))
            if not wants_async:
                self._remove_tmp_path(self._connection._shell.tmpdir)
            return result
        result = merge_hash(result, self._run_watched(task_vars))
        return result

    def _run_watched(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        folder = self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))
        progress_file = self._connection._shell.join_path(folder, f"pg_sequence_restore-{secrets.token_hex(8)}")
        arguments = {**self._task.args, "progress_file": progress_file}
        self._task.async_val = _NO_LIMIT
        try:
            started: dict[str, t.Any] = self._execute_module(
                module_args=arguments, task_vars=task_vars, wrap_async=True
            )
        finally:
            # TaskExecutor would poll as well.
            self._task.async_val = 0
        job = started.get("ansible_job_id")
        if not job:
            if "could not create directory" in str(started.get("msg", "")):
                # The user has no home to keep jobs in: without progress, but it works.
                display.vv(f"no folder for background jobs: {started['msg']}")
                alone: dict[str, t.Any] = self._execute_module(module_args=dict(self._task.args), task_vars=task_vars)
                self._remove_tmp_path(self._connection._shell.tmpdir)
                return alone
            return started
        done = self._wait(job, folder, progress_file, task_vars)
        self._clean(job, folder, task_vars)
        for name in ("ansible_job_id", "finished", "started", "results_file"):
            done.pop(name, None)
        (done.get("invocation") or {}).get("module_args", {}).pop("progress_file", None)
        return done

    def _wait(self, job: str, folder: str, progress_file: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        who = f"{self._task.args.get('database')} on {task_vars.get('inventory_hostname', self._task.delegate_to)}"
        shown = time.monotonic()
        pause = _POLL_AT_FIRST
        unreachable = 0
        look = _Look()
        while True:
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_AT_LAST)
            try:
                status = self._status(job, folder, "status", task_vars)
                if not status.get("finished"):
                    if look.gone:
                        return {
                            "failed": True,
                            "msg": f"{who}: the process that restored has ended without a result, as when it is killed or its host"
                            " restarts. Run this again: it will see what was done",
                        }
                    look = self._progress(progress_file, look.process)
                unreachable = 0
            except AnsibleConnectionFailure as error:
                unreachable += 1
                if unreachable >= _UNREACHABLE_POLLS:
                    raise
                display.vv(f"{who}: {error}")
                look = look._replace(line="the host cannot be reached; the restore goes on there, trying again")
                self._reset()
            else:
                if status.get("finished") or (status.get("failed") and status.get("_ansible_parsed", True)):
                    return status
            if time.monotonic() - shown >= _LINE_EVERY and not self._task.no_log:
                # Standard output is held back where it is no terminal, as in CI.
                display.display(f"{who}: {look.line or 'restoring'}", stderr=True)
                shown = time.monotonic()

    def _status(self, job: str, folder: str, mode: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        status = self._execute_module(
            module_name="ansible.builtin.async_status",
            module_args={"jid": job, "mode": mode, "_async_dir": folder},
            task_vars=task_vars,
        )
        if status.get("unreachable"):
            raise AnsibleConnectionFailure(str(status.get("msg")))
        return t.cast("dict[str, t.Any]", status)

    def _progress(self, path: str, process: str) -> _Look:
        alive = f"; kill -0 {process} 2>/dev/null || echo gone" if process else ""
        done = self._low_level_execute_command(f"cat {shlex.quote(path)} 2>/dev/null{alive}; true")
        lines = str(done.get("stdout", "")).splitlines()
        gone = bool(process) and "gone" in lines
        if len(lines) >= 2 and lines[1].isdigit():
            return _Look(lines[0], lines[1], gone)
        return _Look("", process, gone)

    def _clean(self, job: str, folder: str, task_vars: dict[str, t.Any]) -> None:
        try:
            self._status(job, folder, "cleanup", task_vars)
        except AnsibleConnectionFailure as error:
            display.vv(f"the job's file {folder}/{job} stays: {error}")
        self._remove_tmp_path(self._connection._shell.tmpdir)

    def _reset(self) -> None:
        try:
            self._connection.reset()
        except (AttributeError, AnsibleConnectionFailure):
            pass
