# SPDX-License-Identifier: GPL-2.0
"""Builds mmlens.ko, and the module of the samples, for a guest's kernel, outside of the checkout.

The sources are staged by their contents, so that the same source for the same
kernel is built once, and a build for one kernel never sees the objects of another.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from guest.cache import CACHE, CHECKOUT, contents, digest_of, lock, remove, run, run_program, timed, used
from guest.kernel import Kernel, find

BUILDS = CACHE / "build"
KEEP = 40
SUFFIXES = (".rs", ".c", ".h")


@dataclass(frozen=True)
class Module:
    """A module of this project."""

    ko: str
    # Where to run make.
    folder: str
    # The files and folders that it is made of.
    parts: tuple[str, ...]


MMLENS = Module("rust/mmlens.ko", ".", ("Kbuild", "rust"))
# Has the layer of vm_operations from mmlens, and gets to see nothing else of it.
SAMPLE = Module("samples/rust_vm_minimal/vm_minimal.ko", "samples/rust_vm_minimal",
                ("samples/rust_vm_minimal", "rust/vm", "rust/vm.rs", "rust/sys/chardev", "rust/sys/chardev.rs",
                 "rust/sys/seq.rs", "rust/compat.rs"))  # fmt: skip
# The device in C, to measure it against.
PEER = Module("tools/bench/c_module/mmlens_peer.ko", "tools/bench/c_module", ("tools/bench/c_module", "rust/uapi"))


def sources(module: Module, root: Path = CHECKOUT) -> list[Path]:
    """What a module is made of, and nothing that a build in the checkout left."""
    found = [root / part for part in module.parts if (root / part).is_file()]
    for part in module.parts:
        for base, folders, files in os.walk(root / part):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                generated = name.endswith((".mod.c", "_generated.rs")) or name.startswith(".")
                if name == "Kbuild" or (name.endswith(SUFFIXES) and not generated):
                    found.append(Path(base) / name)
    return sorted(found)


def build(kernel: Kernel, *options: str, module: Module = MMLENS, root: Path = CHECKOUT) -> Path:
    """A module for this kernel, from the sources in `root`; `options` are more arguments for make."""
    args = kernel.make_args()
    files = contents(sources(module, root), root)
    name = Path(module.ko).name
    folder = BUILDS / digest_of(files, module.folder, kernel.release, *args, *options)
    stamp = folder / "complete"
    with lock(f"build-{folder.name}"):
        if not stamp.exists():
            remove(folder)
            stage(files, folder)
            with timed(f"{name} for {kernel.release}"):
                run(f"building {name}", "make", f"-j{os.cpu_count()}", *args, *options,
                    f"M={folder / module.folder}", "modules", warnings=True)  # fmt: skip
            stamp.touch()
    return used(folder, KEEP) / module.ko


def stage(files: dict[str, bytes], folder: Path) -> None:
    """Writes sources into a folder of their own."""
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def main() -> None:
    """For scripts/lint: builds for the newest kernel with make's options given, or finds its source."""
    newest = find("x86_64", "newest")
    if sys.argv[1:] == ["--source"]:
        print(newest.source())
        return
    for module in (MMLENS, SAMPLE):
        print(build(newest, *sys.argv[1:], module=module))


if __name__ == "__main__":
    run_program(main)
