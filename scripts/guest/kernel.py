# SPDX-License-Identifier: GPL-2.0
"""The kernel of a guest: its image, its early modules, and its tree to build against."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from guest import archive, debug, image
from guest.archive import Pick
from guest.cache import CHECKOUT, Failure

# Without these modules there is no root file system to take more modules from.
EARLY = ("virtio_blk", "ext4")


@dataclass(frozen=True)
class Kernel:
    """A bootable kernel and what belongs to it."""

    arch: str
    release: str
    image: Path
    early: tuple[Path, ...]
    modules: Path
    pick: Pick
    append: str = ""
    is_debug: bool = False

    def make_args(self) -> list[str]:
        """Arguments for make, to build a module against this kernel."""
        if self.is_debug:
            return debug.make_args(self.arch, self.pick)
        headers = archive.fetch(self.pick) / f"usr/src/linux-headers-{self.release}"
        source = archive.fetch_source(self.pick)
        return kernel_tree("--headers", headers, "--source", source)

    def source(self) -> Path:
        """The unpacked source of this kernel."""
        tree = Path(self.make_args()[1])
        return (tree / "source").resolve(strict=True)


def describe(arch: str, wanted: str) -> str:
    """What was picked from the archive for `--kernel`, for a person."""
    pick = pick_for(arch, wanted)
    if wanted == "debug":
        lines = [f"debug kernel ({arch}), built from the source of {pick.version}"]
        parts = ["source"]
    else:
        lines = [f"kernel {pick.release} ({arch})"]
        parts = list(pick.packages)
    for part in parts:
        package = pick.packages[part]
        lines.append(f"  {package.name} {package.version} {package.architecture} sha256:{package.sha256}")
    return "\n".join(lines)


def pick_for(arch: str, wanted: str) -> Pick:
    """The archive's kernel that `--kernel` means, or that the debug kernel is built from."""
    return archive.pick(arch, "newest" if wanted == "debug" else wanted)


def kernel_tree(*args: str | Path) -> list[str]:
    """The make arguments that scripts/kernel-tree prints."""
    command = [str(CHECKOUT / "scripts/kernel-tree"), "--print-make-args", *map(str, args)]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        raise Failure("the kernel tree could not be made (the reason is above)")
    return shlex.split(done.stdout)


def find(arch: str, wanted: str) -> Kernel:
    """The kernel for `--kernel`: "newest", a series, a release, or "debug"."""
    pick = pick_for(arch, wanted)
    if wanted == "debug":
        tree, target = debug.tree(arch, pick), debug.TARGETS[arch]
        index = image.modules(f"debug-{tree.name}", lambda scratch: debug.install_index(arch, tree, scratch))
        return Kernel(arch, debug.release(tree), tree / target.image, (), index, pick, target.append, True)
    modules = archive.fetch(pick) / "usr/lib/modules"
    folder = modules / pick.release
    (vmlinuz,) = folder.glob("vmlinuz*")
    disk = image.modules(pick.release, lambda scratch: modules)
    return Kernel(arch, pick.release, vmlinuz, early_modules(folder), disk, pick)


def early_modules(folder: Path) -> tuple[Path, ...]:
    """The modules in EARLY and those they need, in the order to load them."""
    index = folder / "modules.dep"
    needs: dict[str, list[str]] = {}
    for line in index.read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    order: list[Path] = []
    for name in EARLY:
        for path in (p for p in needs if Path(p).name.split(".")[0] == name):
            # modules.dep lists the needed ones nearest first.
            for need in (*reversed(needs[path]), path):
                if folder / need not in order:
                    order.append(folder / need)
    return tuple(order)
