# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection: it can change at any time.

"""PostgreSQL's own programs: which are here, how old they are, and how they learn where to connect.

No secret is ever an argument or an environment variable of theirs: other users of the host can read
the one, and the programs' children inherit the other.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import glob
import os
import re
import shutil
import subprocess
import threading
import typing as t

from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import SECRETS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.pgops.sequences.plugins.module_utils._postgres.target import Target

    Version = tuple[int, int]

# Where distributions put programs that are not on PATH: Debian and Ubuntu; the PostgreSQL project's RPMs.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")

# The first minor release of each major version whose psql does not expand what follows \unrestrict (CVE-2026-18408).
_TIGHT = {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}


class ProgramError(Exception):
    """A program is missing, too old, or cannot be told how to connect; the text says what would help."""


def version_of(text: str) -> Version:
    """Major and minor version in a text such as ``pg_restore (PostgreSQL) 16.4 (Debian ...)``; (0, 0) where none is."""
    found = re.search(r"(\d+)(?:\.(\d+))?", text.partition(")")[2] or text)
    return (int(found.group(1)), int(found.group(2) or 0)) if found else (0, 0)


def knows_restrict(psql: str) -> bool:
    """Whether a psql knows ``\\restrict`` (18, 17.6, 16.10, 15.14, 14.19, 13.22 and newer): it says so itself."""
    return "\\restrict " in run([psql, "--help=commands"]).output


def leaks(version: Version) -> bool:
    """Whether a psql of a version runs commands in what follows ``\\unrestrict``."""
    return version[0] < 19 and version[1] < _TIGHT.get(version[0], 1 << 30)


@dataclasses.dataclass(frozen=True)
class Programs:
    """Programs of one installation.

    :ivar paths: absolute path of each, by its name
    :ivar version: the oldest version among them
    :ivar words: the same, as people write it: ``16.4``, ``19rc1``
    """

    paths: Mapping[str, str]
    version: Version
    words: str = ""


def find_programs(
    names: Iterable[str], folder: str | None, at_least: int, unfit: t.Callable[[Programs], str] = lambda programs: ""
) -> Programs:
    """Find programs that are new enough.

    :arg names: which are needed, such as ``psql``
    :arg folder: where they are; None: on PATH, else where distributions keep several versions side by side
    :arg at_least: the oldest major version that will do; 0 for any
    :arg unfit: says why programs of that version will not do all the same; empty where they will
    :returns: the programs
    :raises ProgramError: none that will do are here
    """
    names = list(names)
    problem = ""
    for place in [folder] if folder else [None, *_installed()]:
        paths = {name: shutil.which(name, path=place) for name in names}
        if not all(paths.values()):
            missing = ", ".join(name for name, path in paths.items() if not path)
            problem = (
                problem
                or f"{' and '.join(names)} are needed, and {missing} was not found in {place or 'the PATH of this task'}"
            )
            continue
        programs = Programs(t.cast("dict[str, str]", paths), *min(_ask(str(path)) for path in paths.values()))
        if programs.version[0] < at_least:
            problem = (
                f"{paths[names[0]]} is version {programs.words}, and version {at_least} or newer is needed: the server may not be newer"
                f" than {' and '.join(names)}"
            )
        else:
            problem = unfit(programs)
            if not problem:
                return programs
    package = (
        f"postgresql-client-{at_least} (Debian, Ubuntu) or postgresql{at_least} (RPM)"
        if at_least
        else "postgresql-client"
    )
    raise ProgramError(
        f"{problem}. Nothing was changed. Install the package {package}, in its latest minor release, on the host that runs the task, or say with"
        " bin_dir where newer programs are"
    )


def _installed() -> list[str]:
    """Folders with programs, those of the oldest version first."""
    return sorted((place for pattern in _FOLDERS for place in glob.glob(pattern)), key=version_of)


def _ask(path: str) -> tuple[Version, str]:
    try:
        done = run([path, "--version"])
    except OSError as error:
        raise ProgramError(f"{path} cannot be run: {error}") from None
    if done.code != 0:
        raise ProgramError(f"{path} cannot be run: {done.errors}")
    found = re.search(r"\d+(\.\d+|(devel|alpha|beta|rc)\d*)", done.output.partition(")")[2])
    return version_of(done.output), found[0] if found else "of an unknown version"


def text_of(data: bytes) -> str:
    """What a program wrote, or a dump holds, as text: messages come in the encoding of what they are about."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


# No line of a program's own is as long; a row that a script selects may be.
_LONGEST_LINE = 1 << 16


class Client:
    """Tells PostgreSQL's programs where and as whom to connect.

    :ivar application_name: how their sessions can be found in pg_stat_activity
    :ivar environment: what to run them with
    """

    def __init__(self, target: Target, directory: str, application_name: str) -> None:
        """Prepare; the secrets are written into files when they are needed.

        :arg target: where and as whom
        :arg directory: a folder that nobody else can enter, for files with the secrets
        :arg application_name: for the programs' sessions
        :raises ProgramError: a secret cannot be handed over in a file
        """
        self.application_name = application_name
        self._files: dict[str, str] = {}
        self._parameters = {
            key: str(value) for key, value in target.parameters.items() if key not in SECRETS and value is not None
        }
        self._parameters["application_name"] = application_name
        secrets = {key: str(target.parameters[key]) for key in SECRETS if target.parameters.get(key)}
        # Messages are parsed: in English.
        self.environment = {key: value for key, value in os.environ.items() if key != "LANGUAGE"}
        self.environment.update(LC_ALL="C")
        if any("\n" in value for value in secrets.values()):
            raise ProgramError("a password with a line break cannot be given to psql and pg_restore")
        password = secrets.pop("password", None)
        if password is not None:
            # libpq would prefer this variable.
            self.environment.pop("PGPASSWORD", None)
            line = "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:")
            self._parameters["passfile"] = os.path.join(directory, "pgpass")
            self._files[self._parameters["passfile"]] = line + "\n"
        if secrets:
            lines = "".join(f"{key}={value}\n" for key, value in secrets.items())
            self.environment["PGSERVICEFILE"] = os.path.join(directory, "pg_service.conf")
            self._files[self.environment["PGSERVICEFILE"]] = f"[pgops]\n{lines}"
            self._parameters["service"] = "pgops"

    def forget(self) -> None:
        """Remove the files with the secrets: who has connected needs them no more, and a killed process leaves none."""
        for path in self._files:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def dsn(self, database: str, setting: str = "") -> str:
        """The connection string for a database, without secrets, for ``--dbname`` (manual, 34.1.1.1); writes the secrets' files.

        :arg setting: a server setting for all sessions, as ``name=value``
        """
        for path, text in self._files.items():
            if not os.path.exists(path):
                _write_private(path, text)
        parameters = {**self._parameters, "dbname": database}
        if setting:
            parameters["options"] = f"{parameters.get('options', '')} -c {setting}".strip()
        return " ".join(f"{key}={_quoted(value)}" for key, value in parameters.items())


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _write_private(path: str, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


class Program:
    """A program while it runs.

    :ivar output: its standard output, where that is taken
    :ivar errors: the last lines it wrote to standard error (or, merged, to both)
    """

    _LINES_KEPT = 1000

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str] | None,
        give: bool = False,
        take: bool = False,
        merge: bool = False,
        watch: t.Callable[[str], None] | None = None,
        hear: t.Callable[[str], None] | None = None,
        folder: str | None = None,
    ) -> None:
        """Start it.

        :arg arguments: the program and its arguments
        :arg environment: its environment; None: this process's
        :arg give: whether :meth:`give` will be used
        :arg take: whether standard output is read through :attr:`output`; otherwise it is thrown away
        :arg merge: whether standard output counts as standard error
        :arg watch: called with every line of :attr:`errors`
        :arg hear: called with every line of standard output, the longest in parts
        :arg folder: where to run it; None: where this process runs
        """
        self.errors: collections.deque[str] = collections.deque(maxlen=self._LINES_KEPT)
        self._watch = watch
        # AnsibleModule.run_command() can neither write to a program while it runs nor read from it.
        self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            arguments,
            env=None if environment is None else dict(environment),
            stdin=subprocess.PIPE if give else subprocess.DEVNULL,
            stdout=subprocess.PIPE if take or merge or hear else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            cwd=folder,
        )
        self.output = self._process.stdout
        self._readers = [self._reads(self._process.stdout if merge else self._process.stderr, self._note)]
        if hear is not None:
            self._readers.append(self._reads(self._process.stdout, hear))

    def _reads(self, pipe: t.IO[bytes] | None, take: t.Callable[[str], None]) -> threading.Thread:
        def read() -> None:
            while line := t.cast("t.IO[bytes]", pipe).readline(_LONGEST_LINE):
                take(text_of(line).rstrip("\r\n"))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def _note(self, line: str) -> None:
        self.errors.append(line.rstrip())
        if self._watch is not None:
            self._watch(line.rstrip())

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self._process.poll() is not None

    def give(self, data: bytes) -> None:
        """Write to its standard input.

        :raises BrokenPipeError: it has ended
        """
        pipe = t.cast("t.IO[bytes]", self._process.stdin)
        pipe.write(data)
        pipe.flush()

    def finish(self) -> int:
        """Let it come to its end; returns the exit code, negative for a signal."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        code = self._process.wait()
        for reader in self._readers:
            # A server that a command has started keeps the pipe open.
            reader.join(5)
        return code

    def end(self) -> None:
        """End it, if it has not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Done(t.NamedTuple):
    """What a program that has ended wrote.

    :ivar code: its exit code, negative for a signal
    :ivar raw: its standard output
    :ivar errors: the last lines of its standard error, in one
    """

    code: int
    raw: bytes
    errors: str

    @property
    def output(self) -> str:
        """Its standard output, as text."""
        return text_of(self.raw)


def run(arguments: list[str], environment: Mapping[str, str] | None = None, most: int = -1) -> Done:
    """Run a program to its end, without input.

    :arg environment: None: this process's
    :arg most: bytes of its output after which it is enough, and it is ended; -1: all
    """
    program = Program(arguments, environment, take=True)
    output = t.cast("t.IO[bytes]", program.output)
    try:
        raw = output.read(most)
        if most >= 0:
            program.end()
        code = program.finish()
    finally:
        program.end()
        output.close()
    return Done(code, raw, " ".join(" ".join(program.errors).split()))
