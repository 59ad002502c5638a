# SPDX-License-Identifier: GPL-2.0
"""The tests: those of the host, and the kselftests in a guest for each cell.

A cell is an architecture and a kernel, such as x86_64:debug, and may have shapes
of the machine (guest/shape.py) behind them: arm64:7.2:nolva, x86_64:newest:numa+1g.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guest import debug, kernel, module, qemu, shape, tools
from guest.cache import CACHE, CHECKOUT, Failure, contents, digest_of, hold, make, run, run_program, say, used
from guest.ktap import Count, Parser

# The longest first.
CELLS = ("x86_64:debug:numa+dimm", "arm64:newest:mte+vmem", "arm64:7.2-16k:nolva", "x86_64:newest:numa+1g+dimm",
         "x86_64:7.2:4level+pti")  # fmt: skip
# What `make test-full` runs as well.
MORE_CELLS = ("arm64:newest:numa+1g+mte+vmem", "arm64:7.2:pauth", "arm64:7.2:nolva", "arm64:7.2-16k", "arm64:16k",
              "arm64:16k:nolva", "arm64:rt:pauth", "x86_64:newest", "x86_64:7.2", "x86_64:newest:pti",
              "x86_64:newest:4level", "x86_64:rt", "x86_64:7.2-rt", "x86_64:newest:stress", "arm64:newest:stress",
              "x86_64:newest:nodebugfs", "arm64:debug:vmem", "x86_64:debug:pagealloc+pti",
              "arm64:debug:pagealloc", "x86_64:debug:stress")  # fmt: skip
# What asks the same of every kernel: `make test` runs it on one stock kernel of each architecture.
ONCE = ("tool_commands", "bench_smoke", "leaks")
# The same, but that a debug kernel finds mistakes in it that no other would.
ONCE_AND_DEBUG = ("debugfs_control", "module_lifetime")
ONCE_IN = ("arm64:newest:mte+vmem", "x86_64:newest:numa+1g+dimm")
# Why a test is skipped in every cell: the case that its name says does not exist, or `make test` has no cell for it.
NO_CASE = ("only map_pages needs a table", "all pages are there", "there are no private mappings")
FULL_ONLY = ("there is debugfs; boot with debugfs=off",)
# How much of what a test repeats it does in `make test`, in percent: see effort() in selftests/lib/util.h.
EFFORT = 10
# In `make test-full` each of CELLS does all of it, and each of MORE_CELLS so much. All of it in all of them would
# take from morning to noon, to ask kernels the same that differ little.
MORE_EFFORT = 25
# Freed pages hold 0xaa then: the races (selftests/race_*.c) know by that who read one.
POISON = "page_poison=1"
# What --soak runs, and where; at an effort of 100 it lasts as long as RACE_COUNT races of RACE_SECONDS.
RACES = ("race_walk", "race_tables", "race_huge", "race_targets", "race_hotplug", "race_kernel")
RACE_COUNT = 36
RACE_SECONDS = 4
SOAK_CELL = "x86_64:newest:numa+dimm"
# Cells at a time. With more of them, the processors of a guest wait for each other, spinning, while the host runs
# those of another one.
JOBS = os.cpu_count() or 1
COMPILER = {"x86_64": "x86_64-linux-gnu-gcc-14", "arm64": "aarch64-linux-gnu-gcc-14"}
# For programs of 32 bits.
COMPILER32 = {
    "x86_64": "x86_64-linux-gnu-gcc-14 -m32",
    "arm64": "clang-19 --target=arm-linux-gnueabi -march=armv7-a -fuse-ld=lld-19",
}
KEEP = 10
# Under emulation, and with every checker on, the slowest cell takes half an hour, and all rounds some more.
CELL_SECONDS = 3000
FULL_CELL_SECONDS = 4 * CELL_SECONDS
# What guests share with the host: two huge pages of arm64 with 16K pages. The pages for words are the
# largest that a guest has.
SHARED_BYTES = 64 << 20
SHARED_PAGE = 64 << 10
GUEST_WORDS = b"mmlens-was-here and read host-was-here"


@dataclass(frozen=True)
class Cell:
    """What a guest of the tests is."""

    arch: str
    wanted: str
    shapes: tuple[str, ...]

    def find_kernel(self) -> kernel.Kernel:
        """Its kernel, made if need be."""
        return kernel.find(self.arch, self.wanted)

    def machine(self) -> tuple[str, ...]:
        """Its shapes, as far as this host can make them."""
        if is_emulated(self):
            return self.shapes
        return tuple(name for name in self.shapes if not shape.find(name, self.arch).emulated)

    def command(self, seconds: int, append: str, *options: str) -> list[str]:
        """What runs its guest, which ends when this process does; `append` is for the kernel."""
        words = ["setpriv", "--pdeathsig", "TERM", str(CHECKOUT / "scripts/vm"), "--arch", self.arch,
                 "--kernel", self.wanted, "--timeout", str(seconds), "--append", append, "--debugger"]  # fmt: skip
        return words + [word for name in self.machine() for word in ("--shape", name)] + list(options)


def parse(name: str) -> Cell:
    """The cell of a name."""
    arch, wanted, shapes = (*name.split(":", 2), "", "")[:3]
    if arch not in COMPILER or not wanted:
        raise Failure(f"there is no cell {name}; try: one of {' '.join(CELLS)}")
    return Cell(arch, wanted, tuple(filter(None, shapes.split("+"))))


def positive(text: str) -> int:
    """A number on the command line that is not 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


def main() -> int:
    """Runs what was asked for, everything by default; the last line is the sum."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs the tests; all of them by default.")
    parser.add_argument("--cell", action="append", default=[],
                        help=f"ARCH:KERNEL[:SHAPE[+SHAPE...]], such as {', '.join(CELLS)}")  # fmt: skip
    parser.add_argument("--host", action="store_true", help="the host's tests")
    parser.add_argument("--full", action="store_true", help="every cell: also those that are not run by default")
    parser.add_argument("--effort", type=positive, metavar="PERCENT",
                        help="how much of what tests repeat to do; by default a part, and more of it with --full")
    parser.add_argument("--soak", type=positive, default=0, metavar="MINUTES",
                        help=f"only the races, for about so long; in {SOAK_CELL}, or in the cells that are named")
    options = parser.parse_args()
    if options.soak and not options.cell:
        options.cell = [SOAK_CELL]
    everything = options.full or not options.cell and not options.host
    steps = ["host"] if options.host or everything else []
    steps += options.cell
    steps += [cell for cell in CELLS if everything] + [cell for cell in MORE_CELLS if options.full]
    with ThreadPoolExecutor(JOBS) as pool:
        running = [pool.submit(step, name, options) for name in steps if name == "host"]
        make_debug_kernels(steps)
        running += [pool.submit(step, name, options) for name in steps if name != "host"]
        results = [one.result() for one in running]

    total = Count()
    for name, (count, seconds) in zip(steps, results):
        print(f"{name:<25} {seconds:5.0f} s  {count}")
    for name, (count, _) in zip(steps, results):
        for kind, lines in (("SKIP", count.skipped), ("FAIL", count.failed)):
            for line in lines:
                print(f"{kind} {name}: {line}")
        total.add(count)
    if everything and are_emulated(steps):
        for line in nowhere(total, NO_CASE if options.full else NO_CASE + FULL_ONLY):
            print(f"FAIL in every cell it is skipped: {line}")
            total.failed.append(line)
    print(total, flush=True)
    return 0 if total.passed and not total.failed else 1


def nowhere(total: Count, reasons: tuple[str, ...]) -> list[str]:
    """What was skipped and never passed: a test that nobody runs proves nothing. `reasons` are good ones, of one
    cell at least."""
    skips = [line.partition(": ") for line in total.skipped]
    fine = total.well | {name for name, _, reason in skips if reason in reasons}
    return sorted({"".join(skip) for skip in skips if skip[0] not in fine})


def is_emulated(cell: Cell) -> bool:
    """Whether its processor is QEMU's: that of the host may lack something."""
    return qemu.find_accelerator(cell.find_kernel()) == "tcg"


def are_emulated(steps: list[str]) -> bool:
    """Whether that holds for all cells; a kernel that cannot be had has failed in its step."""
    try:
        return all(is_emulated(parse(name)) for name in steps if name != "host")
    except Failure:
        return False


def told(cell: Cell) -> str:
    """What a guest of the cell is told of itself, for selftests/machine_shape.c: key=value, the last one counts."""
    chosen = cell.find_kernel()
    facts = [f"release={chosen.release}", f"page={16384 if chosen.release.endswith('-16k') else 4096}", "nodes=1"]
    if is_emulated(cell):
        facts += ["wide=0" if "no5lvl" in chosen.append else "wide=1", "mte=0", "pauth=0"]
    facts += shape.told(cell.machine(), cell.arch)
    return " ".join(f"{key}={value}" for key, value in dict(fact.split("=") for fact in facts).items())


def effort(options: argparse.Namespace, name: str) -> int:
    """How much of what a test repeats it is to do in a cell, in percent."""
    if options.effort is not None:
        return int(options.effort)
    if options.soak:
        return int(options.soak) * 60 * 100 // (RACE_COUNT * RACE_SECONDS)
    if options.full:
        return 100 if name in CELLS else MORE_EFFORT
    return EFFORT


def make_debug_kernels(steps: list[str]) -> None:
    """Makes them before any guest is up: nothing else takes as long, and their cells have the longest tests."""
    for name in steps:
        try:
            if name != "host" and parse(name).wanted == "debug":
                parse(name).find_kernel()
        except Failure:
            # It is the same when its step comes, which says so.
            continue


def left(options: argparse.Namespace, name: str) -> tuple[str, ...]:
    """The programs that a cell leaves to another one."""
    if options.full or options.cell or name in ONCE_IN:
        return ()
    return ONCE if parse(name).wanted == "debug" else ONCE + ONCE_AND_DEBUG


def step(name: str, options: argparse.Namespace) -> tuple[Count, float]:
    """The tests of the host or of a cell; says how they went. Also how many seconds they took."""
    start = time.monotonic()
    try:
        count = host_tests() if name == "host" else guest_tests(name, options)
    except Failure as failure:
        say(f"{name}: {failure}")
        count = Count(failed=[str(failure)])
    seconds = time.monotonic() - start
    print(f"== {name}: {count} ({seconds:.0f} s)", flush=True)
    return count, seconds


def host_tests() -> Count:
    """The tests of our own scripts, and of the pure part of the module."""
    total = unit_tests()
    if (CHECKOUT / "tools/Cargo.toml").exists():
        total.add(cargo_tests())
    return total


def unit_tests() -> Count:
    """Python's own tests of the scripts."""
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "guest", "-t", "."],
        cwd=CHECKOUT / "scripts", check=False, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    ran = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
    # A test with subtests is named once for each of them.
    bad = list(dict.fromkeys(re.findall(r"^(?:FAIL|ERROR): (\S+)", done.stderr, re.M)))
    if done.returncode:
        print(done.stderr)
        bad = bad or ["the scripts' unit tests"]
    passed = int(ran[1]) - len(bad) if ran else 0
    print(f"   host: scripts: {passed} passed", flush=True)
    return Count(passed, bad)


def cargo_tests() -> Count:
    """The tests of tools/."""
    done = tools.test()
    results = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", done.stdout, re.M)
    # Each crate ends with a list of its own.
    lists = re.findall(r"^failures:\n((?:    \S+\n)+)", done.stdout, re.M)
    bad = " ".join(lists).split()
    if done.returncode:
        print(done.stdout)
        bad = bad or ["cargo test"]
    passed = sum(int(result[0]) for result in results)
    ignored = sum(int(result[2]) for result in results)
    print(f"   host: tools: {passed} passed", flush=True)
    return Count(passed, bad, [f"tools: {ignored} ignored"] if ignored else [])


@contextmanager
def shared_file() -> Iterator[Path]:
    """Memory that a guest and this program share. Its last page says that the host was here: that is for
    selftests/device_io.c to read, and to answer in the page before."""
    folder = CACHE / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="shared-") as file:
        file.truncate(SHARED_BYTES)
        file.seek(SHARED_BYTES - SHARED_PAGE)
        file.write(b"host-was-here")
        file.flush()
        path = Path(file.name)
        handle = hold(path)
        try:
            yield path
        finally:
            os.close(handle)


def witness(path: Path) -> Count:
    """What the host sees of what the guest wrote through the device."""
    with path.open("rb") as file:
        file.seek(SHARED_BYTES - 2 * SHARED_PAGE)
        seen = file.read(len(GUEST_WORDS))
    if seen == GUEST_WORDS:
        return Count(1)
    return Count(failed=[f"device_io: the host sees {seen!r} in the memory that it shares"])


def guest_tests(name: str, options: argparse.Namespace) -> Count:
    """The kselftests in one guest, and what the host saw of it."""
    cell = parse(name)
    percent = effort(options, name)
    only = list(RACES) if options.soak else shape.programs(cell.shapes, cell.arch)
    chosen = cell.find_kernel()
    files = ["--copy", f"{build_selftests(cell.arch)}:/selftests"]
    others = [module.SAMPLE] if "bench_smoke" in left(options, name) else [module.SAMPLE, module.PEER]
    modules = [module.build(chosen, module=other) for other in others]
    for path in [*modules, *sorted(tools.build(cell.arch).iterdir())]:
        files += ["--copy", f"{path}:/selftests/"]
    with shared_file() as shared:
        seconds = CELL_SECONDS if percent <= EFFORT else FULL_CELL_SECONDS
        command = cell.command(seconds + 90 * options.soak, POISON, "--shared", str(shared), *files)
        how = ["--effort", str(percent), "--leave", " ".join(left(options, name)), "--booted", f"{POISON} {told(cell)}"]
        count = run_guest(name, [*command, "--", "/selftests/run", *how, *only])
        if not only:
            count.add(witness(shared))
    return count


def run_guest(cell: str, command: list[str]) -> Count:
    """Follows the results of a guest's tests."""
    parser = Parser()
    pending: list[str] = []
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as guest:
        assert guest.stdout
        for line in guest.stdout:
            pending.append(line)
            result = parser.line(line)
            if result:
                name, leaves = result
                text = (f"   {cell}: {'FAIL' if leaves.failed else 'ok'} {name}: {leaves} "
                        f"({time.monotonic() - start:.1f} s)\n")  # fmt: skip
                # In one piece: another cell may be speaking too.
                print(text + "".join(pending if leaves.failed else []), end="", flush=True)
                pending = []
                start = time.monotonic()
    count = parser.finish()
    if guest.returncode and (not count.failed or guest.returncode in (99, 124)):
        print("".join(pending), end="", flush=True)
        count.failed.append(f"the guest ended with {guest.returncode}")
    return count


def build_selftests(arch: str) -> Path:
    """The selftests for one architecture, for every kernel: what they take from the kernel's source, such as
    kselftest_harness.h, is of the newest."""
    source = debug.unpacked_source(kernel.pick_for(arch, "newest"))
    files = contents(selftest_sources())

    def build(output: Path) -> None:
        output.mkdir()
        run("building the selftests", "make", "-C", CHECKOUT / "selftests", f"-j{os.cpu_count()}", f"ARCH={arch}",
            f"CC={COMPILER[arch]}", f"CC32={COMPILER32[arch]}", f"KSRC={source}", f"OUTPUT={output}")  # fmt: skip
        if contents(selftest_sources()) != files:
            raise Failure("the sources of the selftests were changed meanwhile; try: again")

    name = digest_of(files, arch, str(source), COMPILER[arch], COMPILER32[arch])
    return used(make(CACHE / "selftests" / name, f"selftests for {arch}", build), KEEP)


def selftest_sources() -> list[Path]:
    """All that the selftests are made of; what is in mutants/ is of no program."""
    paths = (path for folder in ("selftests", "samples", "rust/uapi") for path in (CHECKOUT / folder).rglob("*"))
    return sorted(path for path in paths if path.is_file() and path.parent.name != "mutants")


if __name__ == "__main__":
    run_program(main)
