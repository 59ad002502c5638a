# SPDX-License-Identifier: GPL-2.0
"""The debug kernel: every checker on, built from the newest picked source."""

import os
from pathlib import Path

from guest import archive
from guest.archive import Pick
from guest.cache import CACHE, CHECKOUT, Failure, digest, lock, remove, run, timed

FRAGMENT = CHECKOUT / "scripts/debug.config"
# Rust with KASAN needs a kernel that is LLVM all through.
LLVM = ("LLVM=-19", "ARCH=x86_64")


def tree(pick: Pick) -> Path:
    """The built tree; module builds use it and its own Module.symvers."""
    source = unpacked_source(pick)
    folder = CACHE / "debug" / f"{pick.version}-{digest(FRAGMENT.read_bytes(), *LLVM)}"
    stamp = folder / "complete"
    if stamp.exists():
        return folder
    with lock(f"debug-{folder.name}"):
        if not stamp.exists():
            remove(folder)
            folder.mkdir(parents=True)
            with timed(f"debug kernel from {pick.version}"):
                build(source, folder)
            stamp.touch()
    return folder


def build(source: Path, folder: Path) -> None:
    """Configures from nothing but the fragment, and builds."""
    args = ("-C", source, f"O={folder}", *LLVM)
    run("configuring the debug kernel", "make", *args, f"KCONFIG_ALLCONFIG={FRAGMENT}", "allnoconfig")
    lost = missing(folder / ".config")
    if lost:
        raise Failure(f"the debug kernel cannot have {' '.join(lost)}; try: mend scripts/debug.config")
    run("building the debug kernel", "make", *args, f"-j{os.cpu_count()}", "bzImage", "modules")


def install_index(folder: Path, scratch: Path) -> Path:
    """Everything is built in, but modprobe wants to be told so."""
    run("indexing the debug kernel", "make", "-C", folder, *LLVM, f"INSTALL_MOD_PATH={scratch}/usr", "modules_install")
    return scratch / "usr/lib/modules"


def missing(config: Path) -> list[str]:
    """Options of the fragment that another option silently ruled out."""
    have = set(config.read_text().splitlines())
    wanted = [line for line in FRAGMENT.read_text().splitlines() if line.startswith("CONFIG_")]
    return [line for line in wanted if line not in have and not line.endswith("=n")]


def release(folder: Path) -> str:
    """What the debug kernel calls itself."""
    return (folder / "include/config/kernel.release").read_text().strip()


def make_args(pick: Pick) -> list[str]:
    """Arguments for make, to build a module against the debug kernel."""
    return ["-C", str(tree(pick)), *LLVM]


def unpacked_source(pick: Pick) -> Path:
    """The unpacked source; scripts/kernel-tree shares it."""
    tarball = archive.fetch_source(pick)
    return Path(run("unpacking the source", CHECKOUT / "scripts/kernel-tree", "--unpack", tarball).strip())
