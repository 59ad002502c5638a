# SPDX-License-Identifier: GPL-2.0
"""The debug kernels: every checker on, built from the newest picked source.

A checker is of use only where the kernel itself gives it no cause to complain. What does
is mended, in scripts/debug.ARCH.patch.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from guest import archive
from guest.archive import Pick
from guest.cache import CACHE, CHECKOUT, Failure, digest, git_apply, lock, make, run, timed


@dataclass(frozen=True)
class Target:
    """What differs between the debug kernels of two architectures."""

    image: str
    append: str = ""


TARGETS = {
    # KASAN asks the CPU's feature bits for the number of levels. identify_cpu() clears them for a
    # moment, and an interrupt in that moment then reports wild accesses.
    "x86_64": Target("arch/x86/boot/bzImage", "no5lvl"),
    "arm64": Target("arch/arm64/boot/Image"),
}


def fragments(arch: str) -> list[Path]:
    """What the configuration is made of."""
    return [CHECKOUT / "scripts/debug.config", CHECKOUT / f"scripts/debug.{arch}.config"]


def options(arch: str) -> str:
    """All of the fragments."""
    return "".join(path.read_text() for path in fragments(arch))


def patch_of(arch: str) -> Path:
    """What is mended in the source; need not be there."""
    return CHECKOUT / f"scripts/debug.{arch}.patch"


def patches(arch: str) -> tuple[bytes, ...]:
    """The text of it, if it is."""
    patch = patch_of(arch)
    return (patch.read_bytes(),) if patch.exists() else ()


def mended(arch: str, source: Path) -> Path:
    """The source to build from: the same, or hard links to it with the patch on top."""
    if not patches(arch):
        return source
    patch = patch_of(arch)

    def link(new: Path) -> None:
        run("linking the source", "cp", "-al", source, new)
        complaint = git_apply(patch, new)
        if complaint:
            raise Failure(f"scripts/{patch.name} does not apply to {source.name}: {complaint}; try: see whether this "
                          "kernel needs it")  # fmt: skip

    return make(source.with_name(f"{source.name}-{digest(*patches(arch))}"), f"mending the source for {arch}", link)


def words(arch: str) -> tuple[str, ...]:
    """For make. Rust with KASAN needs a kernel that is LLVM all through."""
    return ("LLVM=-19", f"ARCH={arch}")


def tree(arch: str, pick: Pick) -> Path:
    """The built tree; module builds use it and its own Module.symvers."""
    source = mended(arch, unpacked_source(pick))
    folder = CACHE / "debug" / f"{pick.version}-{arch}-{digest(options(arch), *words(arch), *patches(arch))}"
    stamp = folder / "complete"
    if stamp.exists():
        return folder
    with lock(f"debug-{folder.name}"):
        if not stamp.exists():
            # make goes on where it was stopped: the folder is of this configuration and source.
            folder.mkdir(parents=True, exist_ok=True)
            with timed(f"debug kernel for {arch} from {pick.version}"):
                build(arch, source, folder)
            stamp.touch()
    return folder


def build(arch: str, source: Path, folder: Path) -> None:
    """Configures from nothing but the fragments, and builds."""
    args: list[str | Path] = ["-C", source, f"O={folder}", *words(arch)]
    wanted = folder / "wanted.config"
    wanted.write_text(options(arch))
    run("configuring the debug kernel", "make", *args, f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig")
    lost = missing(wanted.read_text(), (folder / ".config").read_text())
    if lost:
        names = " or ".join(f"scripts/{path.name}" for path in fragments(arch))
        raise Failure(f"the debug kernel of {arch} cannot have {' '.join(lost)}; try: mend {names}")
    run("building the debug kernel", "make", *args, f"-j{os.cpu_count()}",
        Path(TARGETS[arch].image).name, "modules")  # fmt: skip


def install_index(arch: str, folder: Path, scratch: Path) -> Path:
    """Everything is built in, but modprobe wants to be told so."""
    run("indexing the debug kernel", "make", "-C", folder, *words(arch), f"INSTALL_MOD_PATH={scratch}/usr",
        "modules_install")  # fmt: skip
    return scratch / "usr/lib/modules"


def missing(wanted: str, config: str) -> list[str]:
    """Options of the fragments that another option silently ruled out."""
    have = set(config.splitlines())
    lines = [line for line in wanted.splitlines() if line.startswith("CONFIG_")]
    return [line for line in lines if line not in have and not line.endswith("=n")]


def release(folder: Path) -> str:
    """What the debug kernel calls itself."""
    return (folder / "include/config/kernel.release").read_text().strip()


def make_args(arch: str, pick: Pick) -> list[str]:
    """Arguments for make, to build a module against the debug kernel."""
    return ["-C", str(tree(arch, pick)), *words(arch)]


def unpacked_source(pick: Pick) -> Path:
    """The unpacked source; scripts/kernel-tree shares it."""
    tarball = archive.fetch_source(pick)
    return Path(run("unpacking the source", CHECKOUT / "scripts/kernel-tree", "--unpack", tarball).strip())
