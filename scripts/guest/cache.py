# SPDX-License-Identifier: GPL-2.0
"""The cache: where things made outside of the checkout live, and how they are made.

An item is made under a lock, beside its final place, and renamed when it is
complete: an item that has its name is whole, whoever was interrupted meanwhile.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CACHE = Path(os.environ["MMLENS_CACHE"])
CHECKOUT = Path(os.environ["MMLENS_DIR"])
# Where the host's own files are seen from inside of the toolchain root.
HOST = Path(os.environ.get("MMLENS_HOST", "/"))

# What Debian calls an architecture that the kernel calls x86_64 or arm64.
DEBIAN_ARCH = {"x86_64": "amd64", "arm64": "arm64"}

# Longer than anybody uses something after he has asked for it.
IN_USE_SECONDS = 3600


class Failure(Exception):
    """Something a person can mend: one line, without a traceback."""


def digest(*parts: str | bytes) -> str:
    """A short name for what something is made of."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8))
        sha.update(data)
    return sha.hexdigest()[:12]


def contents(files: Iterable[Path], root: Path = CHECKOUT) -> dict[str, bytes]:
    """What is in some files, by their names below `root`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def digest_of(found: dict[str, bytes], *parts: str) -> str:
    """A short name for something that is made of files, and of all else that decides what it becomes."""
    return digest(*parts, *(part for item in found.items() for part in item))


def say(text: str) -> None:
    """A line for the person who waits, never mixed with a command's stdout."""
    print(f"mmlens: {text}", file=sys.stderr, flush=True)


def run_program(main: Callable[[], int | None]) -> None:
    """Runs a program to its exit code, or to the line of a failure."""
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"mmlens: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


@contextlib.contextmanager
def timed(text: str) -> Iterator[None]:
    """Says how long a step that does real work has taken."""
    start = time.monotonic()
    yield
    say(f"{text:<50} {time.monotonic() - start:4.0f} s")


def run(what: str, *command: str | Path, cwd: Path | None = None, warnings: bool = False) -> str:
    """Runs a tool and returns its stdout. What it says is shown only if it fails,
    or, with `warnings`, if it says something on stderr."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, check=False, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode:
        tail = (done.stdout + done.stderr).splitlines()[-60:]
        print("\n".join(tail), file=sys.stderr)
        raise Failure(f"{what} failed (its last lines are above)")
    if warnings:
        # Nobody misses BTF, which would want the kernel's own vmlinux.
        lines = [line for line in done.stderr.splitlines() if not line.startswith("Skipping BTF")]
        print("".join(f"{line}\n" for line in lines), file=sys.stderr, end="")
    return done.stdout


def git_apply(patch: Path, folder: Path, *options: str) -> str:
    """Applies a patch to the sources in a folder, which need not be a repository; what it complains of, if it does not
    apply. A file that is changed is a new one: another hard link still has the old."""
    done = subprocess.run(
        ["git", "apply", *options, str(patch)], cwd=folder, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(CACHE)},
    )  # fmt: skip
    return done.stderr.strip() or f"git ended with {done.returncode}" if done.returncode else ""


@contextlib.contextmanager
def lock(item: str) -> Iterator[None]:
    """Waits until nobody else works on this item; the lock dies with the process."""
    path = CACHE / "locks" / item.replace("/", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make(path: Path, text: str, build: Callable[[Path], None]) -> Path:
    """Returns `path`, made by `build(temporary path)` if it is not there yet."""
    if path.exists():
        return path
    with lock(str(path.relative_to(CACHE))):
        if not path.exists():
            new = path.with_name(path.name + ".new")
            remove(new)
            new.parent.mkdir(parents=True, exist_ok=True)
            with timed(text):
                build(new)
            new.rename(path)
    return path


def hold(path: Path) -> int:
    """Keeps a file or a folder from being tidied up for as long as this process lives, or has the descriptor open."""
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def is_held(path: Path) -> bool:
    """Whether a process needs it, or has removed it itself by now."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def changed(path: Path) -> float:
    """When it was last changed; long ago if another process has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def used(path: Path, keep: int) -> Path:
    """Takes note that something is used, and of all that lies beside it keeps what was used last."""
    path.touch()
    tidy(path.parent, keep)
    return path


def tidy(folder: Path, keep: int) -> None:
    """Removes what is in a folder, but for what was used last, and for what somebody may be using."""
    # One at a time: two would look at what the other has removed.
    with lock(f"tidy-{folder.name}"):
        for old in sorted(folder.iterdir(), key=changed, reverse=True)[keep:]:
            if changed(old) < time.time() - IN_USE_SECONDS and not is_held(old):
                remove(old)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there. Another process may be about the same."""

    def failed(_call: object, _path: str, error: BaseException) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onexc=failed)
    else:
        path.unlink(missing_ok=True)
