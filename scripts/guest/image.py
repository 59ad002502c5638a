# SPDX-License-Identifier: GPL-2.0
"""The disks of a guest: a real Debian userland, and the kernel's modules.

The userland is unpacked, not installed, so that an arm64 one can be made on x86_64
without running a single arm64 program. What maintainer scripts would have done, as
far as a guest needs it, is done in finish().
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from guest.cache import CACHE, DEBIAN_ARCH, digest, make, remove, run

SUITE = "trixie"
MIRROR = os.environ.get("MMLENS_MIRROR", "http://deb.debian.org/debian")
PACKAGES = (
    "base-files base-passwd bash busybox-static coreutils dash debianutils diffutils file findutils"
    " gawk gdb grep gzip hostname iproute2 kmod less libc-bin login mount ncurses-base ncurses-bin"
    " passwd procps psmisc python3 sed strace stress-ng tar time util-linux xz-utils"
).split()

# What the archive's maintainer scripts would have linked.
ALTERNATIVES = {"awk": "gawk", "pager": "less", "which": "which.debianutils", "editor": "busybox", "vi": "busybox"}

# Room for what a command writes; nothing of it reaches the cached image.
SPARE_MIB = 1024


def userland(arch: str) -> Path:
    """A folder with the userland for `arch` as root.ext4, and a static busybox."""
    recipe = Path(__file__).read_text()

    def build(folder: Path) -> None:
        folder.mkdir()
        root = folder / "root"
        run(
            "mmdebstrap of the guest", "mmdebstrap", "--variant=extract", f"--arch={DEBIAN_ARCH[arch]}",
            "--include=" + ",".join(PACKAGES), '--aptopt=Acquire::Languages "none"',
            '--aptopt=Acquire::Retries "3"', "--skip=check/qemu,check/chroot",
            SUITE, root, f"deb {MIRROR} {SUITE} main",
        )  # fmt: skip
        finish(root)
        filesystem(root, folder / "root.ext4", SPARE_MIB)
        shutil.copy(root / "usr/bin/busybox", folder / "busybox")
        shutil.rmtree(root)

    name = f"{SUITE}-{arch}-{digest(recipe, MIRROR)}"
    return make(CACHE / "image" / name, f"guest userland for {arch}", build)


def finish(root: Path) -> None:
    """What a guest needs of the work of maintainer scripts."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / "usr" / name).is_dir() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name, program in ALTERNATIVES.items():
        link = root / "usr/bin" / name
        if not link.exists() and not link.is_symlink():
            link.symlink_to(program)
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    (root / "etc/passwd").write_text(
        (root / "etc/passwd").read_text().replace("root:*:", "root::").replace(":/root:/bin/sh", ":/root:/bin/bash")
    )
    (root / "etc/hostname").write_text("mmlens\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost mmlens\n")
    (root / "etc/mtab").unlink(missing_ok=True)
    (root / "etc/mtab").symlink_to("/proc/self/mounts")
    (root / "root/.bashrc").write_text("PS1='mmlens:\\w# '\nalias ls='ls --color=auto'\n")
    (root / "root/.profile").write_text(". ~/.bashrc\n")
    for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "media", "opt", "srv", "usr/lib/modules"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for useless in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt", "var/cache/apt"):
        remove(root / useless)
    # An emulated CPU compiles slowly; the checks of dates would only cost reads.
    (python,) = (root / "usr/lib").glob("python3.*")
    run(
        "compiling the guest's Python", "python3", "-m", "compileall", "-q", "-j0",
        "--invalidation-mode=unchecked-hash", "-s", root, "-p", "/", python,
    )  # fmt: skip


def modules(name: str, install: Callable[[Path], Path]) -> Path:
    """An ext4 image of /usr/lib/modules; install(scratch folder) says where its contents are."""

    def build(image: Path) -> None:
        scratch = image.with_suffix(".dir")
        remove(scratch)
        filesystem(install(scratch), image, 8)
        remove(scratch)

    return make(CACHE / "image" / f"modules-{name}.ext4", f"module image of {name}", build)


def files(copies: Iterable[tuple[Path, str]], image: Path) -> None:
    """An ext4 image of files and folders of the host, each at its place below the root. The guest reads of it what it
    uses: to unpack all of it would take an emulated processor longer than to boot."""
    scratch = image.with_suffix(".dir")
    for source, target in copies:
        path = scratch / target.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, path, symlinks=True, ignore=special_files, dirs_exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path)
    filesystem(scratch, image, SPARE_MIB)
    remove(scratch)


def special_files(folder: str, names: list[str]) -> list[str]:
    """Sockets, pipes and devices, which are not copied."""
    modes = {name: (Path(folder) / name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if stat.S_IFMT(mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)]


def filesystem(folder: Path, image: Path, spare: int) -> None:
    """An ext4 image of a folder; without a journal, since nobody mounts it twice."""
    used = int(run("du", "du", "-sm", "--apparent-size", folder).split()[0])
    size = used + used // 8 + spare
    run("mke2fs", "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E",
        "root_owner=0:0,lazy_itable_init=1", "-d", folder, image, f"{size}M")  # fmt: skip
