# SPDX-License-Identifier: GPL-2.0
"""Runs the benchmark in a guest, and its report here."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from guest import kernel, module, qemu, tools
from guest.cache import CACHE, CHECKOUT, lock, run_program, say

# The largest target has 1 GiB, and so has the file that it is compared with.
MEMORY = "3G"
SECONDS = 1800


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """What is not known here is for the program in the guest."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures mmlens against its peers. Other options are those of the program"
        " in the guest: --only CONTEST,... --contestants NAME,... --layout NAME,... --size 64K,1G,... --rounds N"
        " --quick --smoke",
    )  # fmt: skip
    parser.add_argument("--arch", choices=tuple(tools.TARGET), default="x86_64")
    parser.add_argument("--kernel", default="newest")
    parser.add_argument("--icount", action="store_true", help="count instructions instead of time")
    parser.add_argument("--output", default="", help="a folder for the CSV and the plots; default: in the cache")
    parser.add_argument("--report", action="store_true", help="only the report, of the CSV that is in the folder")
    return parser.parse_known_args(words)


def program(arch: str, name: str) -> Path:
    """A program of tools/bench alone, which takes less time than all the tools."""
    with lock(f"cargo-{arch}"):
        return tools.cargo(arch, f"building {name}", "--package", "mmlens-bench", "--bin", name) / name


def accelerator(options: argparse.Namespace, chosen: kernel.Kernel) -> str:
    """What runs the guest: what the figures are worth depends on it."""
    if options.icount:
        return "TCG, counting instructions"
    return {"kvm": "KVM", "tcg": "TCG"}[qemu.find_accelerator(chosen)]


def measure(options: argparse.Namespace, more: list[str], csv: Path) -> int:
    """One boot. What the guest prints goes into the file."""
    bench = program(options.arch, "bench")
    chosen = kernel.find(options.arch, options.kernel)
    peer = module.build(chosen, module=module.PEER)
    command = [str(CHECKOUT / "scripts/vm"), "--arch", options.arch, "--kernel", options.kernel,
               "--memory", MEMORY, "--timeout", str(SECONDS), "--copy", f"{bench}:/bench",
               "--copy", f"{peer}:/mmlens_peer.ko"]  # fmt: skip
    if options.icount:
        # More than one processor makes the clock go on while nothing is executed.
        command += ["--icount", "--cpus", "1"]
        more = [*more, "--icount"]
    csv.parent.mkdir(parents=True, exist_ok=True)
    # Somebody may be looking at the last one, or be measuring as well.
    with tempfile.NamedTemporaryFile(dir=csv.parent, prefix=f"{csv.stem}-", suffix=".part", delete=False) as out:
        try:
            out.write(f"# accelerator: {accelerator(options, chosen)}\n".encode())
            out.flush()
            code = subprocess.run([*command, "--", "/bench", "--peer", "/mmlens_peer.ko", *more], check=False,
                                  stdout=out).returncode  # fmt: skip
            if not code:
                os.rename(out.name, csv)
        finally:
            Path(out.name).unlink(missing_ok=True)
    return code


def folder(options: argparse.Namespace) -> Path:
    """Where the results go: a folder of the caller's, or one for the last run of an architecture."""
    if options.output:
        return Path(os.path.join(os.environ.get("MMLENS_CWD", os.getcwd()), options.output))
    return CACHE / "bench" / str(options.arch)


def boots(options: argparse.Namespace, more: list[str]) -> list[bool]:
    """For each boot, whether it counts instructions: everything is measured both ways, a single question as asked."""
    is_question = any(word.startswith(("--only", "--quick", "--smoke")) for word in more)
    return [options.icount] if options.icount or is_question else [False, True]


def main() -> int:
    """Runs scripts/bench and returns its exit code."""
    options, more = parse(sys.argv[1:])
    results = folder(options)
    report = program("x86_64", "bench-report")
    for options.icount in boots(options, more):
        csv = results / ("instructions.csv" if options.icount else "time.csv")
        if not options.report:
            start = time.monotonic()
            code = measure(options, more, csv)
            if code:
                return code
            say(f"measured in {time.monotonic() - start:.0f} s: {csv}")
        code = subprocess.run([str(report), str(csv), "--plots", str(results)], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    run_program(main)
