# SPDX-License-Identifier: GPL-2.0
"""Builds mmlens.ko for a guest's kernel, outside of the checkout.

The sources are staged by their contents, so that the same source for the same
kernel is built once, and a build for one kernel never sees the objects of another.
"""

import os
import shutil
import sys
import time
from pathlib import Path

from guest.cache import CACHE, CHECKOUT, Failure, digest, lock, remove, run, timed
from guest.kernel import Kernel, find

BUILDS = CACHE / "build"
KEEP = 20
SUFFIXES = (".rs", ".c", ".h")


def sources() -> list[Path]:
    """What the module is made of, and nothing that a build in the checkout left."""
    found = [CHECKOUT / "Kbuild"]
    for base, folders, files in os.walk(CHECKOUT / "rust"):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            generated = name.endswith((".mod.c", "_generated.rs")) or name.startswith(".")
            if name == "Kbuild" or (name.endswith(SUFFIXES) and not generated):
                found.append(Path(base) / name)
    return sorted(found)


def build(kernel: Kernel, *options: str) -> Path:
    """The module for this kernel; `options` are more arguments for make."""
    args = kernel.make_args()
    files = sources()
    parts: list[str | bytes] = [kernel.release, *args, *options]
    for path in files:
        parts += [str(path.relative_to(CHECKOUT)), path.read_bytes()]
    folder = BUILDS / digest(*parts)
    module = folder / "rust/mmlens.ko"
    stamp = folder / "complete"
    with lock(f"build-{folder.name}"):
        if not stamp.exists():
            remove(folder)
            for path in files:
                target = folder / path.relative_to(CHECKOUT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            with timed(f"mmlens.ko for {kernel.release}"):
                run("building mmlens.ko", "make", f"-j{os.cpu_count()}", *args, *options,
                    f"M={folder}", "modules", warnings=True)  # fmt: skip
        stamp.touch()
    forget_old_builds(folder)
    return module


def forget_old_builds(current: Path) -> None:
    """Keeps the builds used last; never one that somebody may be using now."""
    builds = sorted(BUILDS.glob("*/complete"), key=lambda stamp: stamp.stat().st_mtime, reverse=True)
    for stamp in builds[KEEP:]:
        if stamp.parent != current and time.time() - stamp.stat().st_mtime > 3600:
            remove(stamp.parent)


def main() -> None:
    """For scripts/lint: builds for the newest kernel with make's options given, or finds its source."""
    newest = find("x86_64", "newest")
    print(newest.source() if sys.argv[1:] == ["--source"] else build(newest, *sys.argv[1:]))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"mmlens: {failure}")
