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
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CACHE = Path(os.environ["MMLENS_CACHE"])
CHECKOUT = Path(os.environ["MMLENS_DIR"])
# Where the host's own files are seen from inside of the toolchain root.
HOST = Path(os.environ.get("MMLENS_HOST", "/"))

# What Debian calls an architecture that the kernel calls x86_64 or arm64.
DEBIAN_ARCH = {"x86_64": "amd64", "arm64": "arm64"}


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


def say(text: str) -> None:
    """A line for the person who waits, never mixed with a command's stdout."""
    print(f"mmlens: {text}", file=sys.stderr, flush=True)


def run_program(main: Callable[[], None]) -> None:
    """Runs a program, which ends with the line of a failure if there is one."""
    try:
        main()
    except Failure as failure:
        sys.exit(f"mmlens: {failure}")


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


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there. Another process may be about the same."""

    def failed(_call: object, _path: str, error: BaseException) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onexc=failed)
    else:
        path.unlink(missing_ok=True)
