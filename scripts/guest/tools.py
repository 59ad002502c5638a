# SPDX-License-Identifier: GPL-2.0
"""Builds the programs of tools/ with the crates that Debian packages, and no network.

Those for guests are linked statically, so that they run wherever a kernel does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from guest.cache import CACHE, CHECKOUT, Failure, contents, digest_of, lock, make, run, run_program, used

TARGET = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
LINKER = {"x86_64": "x86_64-linux-gnu-gcc-14", "arm64": "aarch64-linux-gnu-gcc-14"}
# What goes into guests, and the packages in tools/ that make it.
PROGRAMS = {"mmlens": "mmlens", "tool_commands": "mmlens-selftest", "bench": "mmlens-bench"}
# For the cells: what a benchmark says must be right, however long it takes.
BENCH_SMOKE = """#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
exec ./bench --smoke --peer mmlens_peer.ko
"""
KEEP = 10
# Where cargo leaves what was built.
OUTPUT = CACHE / "cargo-target"


def environment() -> dict[str, str]:
    """What cargo has to be told."""
    home = CACHE / "cargo"
    home.mkdir(parents=True, exist_ok=True)
    config = (
        '[source.crates-io]\nreplace-with = "debian"\n'
        '[source.debian]\ndirectory = "/usr/share/cargo/registry"\n[net]\noffline = true\n'
    )
    path = home / "config.toml"
    # Another cargo may be reading it.
    if not path.exists() or path.read_text() != config:
        path.write_text(config)
    return {"CARGO_HOME": str(home), "CARGO_TARGET_DIR": str(OUTPUT)}


def sources() -> list[Path]:
    """All that the programs are made of: the packages, and the pure part of the module."""
    roots = [CHECKOUT / "tools", *(CHECKOUT / "rust" / name for name in ("pt", "query", "setup", "text", "uapi"))]
    found = list((CHECKOUT / "rust").glob("*.rs"))
    for root in roots:
        found += [path for path in root.rglob("*") if path.suffix in (".rs", ".toml", ".h") and path.is_file()]
    return sorted(path for path in found if "target" not in path.relative_to(CHECKOUT).parts)


def cargo(arch: str, what: str, *options: str) -> Path:
    """Builds static programs for an architecture, and says where they are until another build."""
    words = [f"{name}={value}" for name, value in environment().items()]
    words.append(f"CARGO_TARGET_{TARGET[arch].upper().replace('-', '_')}_LINKER={LINKER[arch]}")
    run(what, "env", *words, "RUSTFLAGS=-C target-feature=+crt-static", "cargo", "build", "--quiet", "--offline",
        "--release", "--target", TARGET[arch], *options, cwd=CHECKOUT / "tools")  # fmt: skip
    return OUTPUT / TARGET[arch] / "release"


def build(arch: str) -> Path:
    """The folder with PROGRAMS for an architecture."""
    files = contents(sources())

    def programs(output: Path) -> None:
        packages = [word for package in PROGRAMS.values() for word in ("--package", package)]
        # What is copied below must be what this call has built.
        with lock(f"cargo-{arch}"):
            # Without pictures as PNG, which need fonts, and what draws plots.
            built = cargo(arch, f"building the tools for {arch}", "--no-default-features", *packages)
            if contents(sources()) != files:
                raise Failure("the sources of the tools were changed meanwhile; try: again")
            output.mkdir()
            for name in PROGRAMS:
                shutil.copy(built / name, output / name)
        # For selftests/run: what to run beside its own programs.
        (output / "more_programs").write_text("tool_commands\nbench_smoke\n")
        (output / "bench_smoke").write_text(BENCH_SMOKE)
        (output / "bench_smoke").chmod(0o755)

    name = digest_of(files, arch, Path(__file__).read_text())
    return used(make(CACHE / "tools" / name, f"tools for {arch}", programs), KEEP)


def test() -> subprocess.CompletedProcess[str]:
    """Runs the tests of tools/ on the host."""
    return subprocess.run(
        ["cargo", "test", "--offline", "--quiet", "--no-fail-fast"],
        cwd=CHECKOUT / "tools", env={**os.environ, **environment()}, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def lint() -> None:
    """What clippy says of them and of what they use; nothing is to be said."""
    names = ("mmlens", "mmlens-bench", "mmlens-core", "mmlens-device", "mmlens-selftest")
    packages = [word for name in names for word in ("--package", name)]
    words = [f"{name}={value}" for name, value in environment().items()]
    run("clippy", "env", *words, "cargo", "clippy", "--quiet", "--offline", "--all-targets",
        *packages, "--", "-Dwarnings", cwd=CHECKOUT / "tools")  # fmt: skip


def main() -> None:
    """For people: builds for the architectures that are named, and says where. For scripts/lint: --lint."""
    if sys.argv[1:] == ["--lint"]:
        lint()
        return
    for arch in sys.argv[1:] or TARGET:
        if arch not in TARGET:
            raise Failure(f"there is no architecture {arch}; try: one of {' '.join(TARGET)}")
        print(build(arch))


if __name__ == "__main__":
    run_program(main)
