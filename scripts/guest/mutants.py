# SPDX-License-Identifier: GPL-2.0
"""Negative controls: the module with a mistake in it, which a test has to notice.

A mutant is a patch in selftests/mutants. What stands above the patch says what it
breaks, which rule that violates, where it is to be run, and what has to go red; the
README there has the words. A mutant that no test notices has survived: then the tests
promise something that they do not hold.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from guest import cells, kernel, module
from guest.cache import CACHE, CHECKOUT, Failure, say
from guest.console import text_of
from guest.ktap import Count, Parser

FOLDER = CHECKOUT / "selftests/mutants"
CELL = "x86_64:newest"
# Each test has a limit of its own, below these. The sound module has to pass the tests of all mutants.
MUTANT_SECONDS = 420
CONTROL_SECONDS = 2400
# Nobody debugs a mutant, and to say where each of its lines went takes a third of the time.
QUICKLY = ("KRUSTFLAGS=-Cdebuginfo=0", "KCFLAGS=-g0")
WORDS = ("Breaks", "Rule", "Cell", "Append", "Effort", "Run", "Says", "Hangs", "Survives")
TIMEOUT = re.compile(r"^\W*(\w+): Test terminated by timeout", re.M)


@dataclass(frozen=True)
class Place:
    """What guest tests are run in, and with how much effort."""

    cell: str
    append: str
    effort: str

    def __str__(self) -> str:
        return self.cell + (f" {self.append}" if self.append else "")


@dataclass(frozen=True)
class Mutant:
    """A mistake. `tests` are programs and tests that have to go red; `says` is what the kernel may
    complain of instead; `hangs` is why a test that takes for ever is red; `survives` is why it cannot be
    noticed here."""

    patch: Path
    breaks: str
    rule: str
    place: Place
    tests: tuple[str, ...]
    says: str
    hangs: str
    survives: str

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return self.patch.stem


@dataclass
class Verdict:
    """What became of a mutant: "killed", "survived" or "error", and why."""

    mutant: Mutant
    word: str
    why: str
    log: str = ""
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.word:<9} {self.mutant.name:<26} {self.seconds:4.0f} s  {self.why}"


@dataclass
class Trial:
    """How a run in a guest ended, what the kernel complained of, and all that the tests said."""

    count: Count = field(default_factory=Count)
    kernel: str = ""
    status: int = 0
    output: str = ""


def read(patch: Path) -> Mutant:
    """The mutant of a patch."""
    head = patch.read_text().partition("\n--- ")[0]
    # A line that is indented goes on with the one before.
    lines = [line for line in re.sub(r"\n[ \t]+", " ", head).splitlines() if line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for line in lines:
        word, colon, text = line.partition(": ")
        if not colon or word not in WORDS:
            raise Failure(f"{patch.name}: no word for a mutant: {line}; try: one of {' '.join(WORDS)}")
        found.setdefault(word, []).append(text.strip())
    for word in ("Breaks", "Rule", "Run"):
        if word not in found:
            raise Failure(f"{patch.name}: there is no line {word}; see the README beside it")
    one = {word: " ".join(found.get(word, [])) for word in WORDS}
    place = Place(one["Cell"] or CELL, one["Append"], one["Effort"] or "100")
    return Mutant(patch, one["Breaks"], one["Rule"], place, tuple(found["Run"]), one["Says"], one["Hangs"],
                  one["Survives"])  # fmt: skip


def everyone() -> list[Mutant]:
    """All mutants, by name."""
    return [read(patch) for patch in sorted(FOLDER.glob("*.patch"))]


def problems(mutant: Mutant) -> list[str]:
    """What is wrong with a mutant, as far as that can be told without a guest."""
    found = []
    for test in mutant.tests:
        program, _, name = test.partition(" ")
        source = CHECKOUT / "selftests" / f"{program}.c"
        text = source.read_text() if source.exists() else ""
        missing = [word for word in name.split(".") if word != "global" and not re.search(rf"\b{word}\b", text)]
        if not name or not text or missing:
            found.append(f"there is no test {test}")
    done = git_apply(mutant, CHECKOUT, "--check")
    if done.returncode:
        found.append(f"it does not apply: {done.stderr.strip()}")
    return found


def git_apply(mutant: Mutant, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Applies the patch to the sources in a folder, which need not be a repository."""
    return subprocess.run(
        ["git", "apply", *options, str(mutant.patch)], cwd=folder, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(CACHE)},
    )  # fmt: skip


def build(mutant: Mutant, chosen: kernel.Kernel) -> Path:
    """The module with the mistake in it."""
    scratch = CACHE / "run"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="mutant-") as name:
        folder = Path(name)
        for path in module.sources(module.MMLENS):
            target = folder / path.relative_to(CHECKOUT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        done = git_apply(mutant, folder)
        if done.returncode:
            raise Failure(f"it does not apply: {done.stderr.strip()}")
        return module.build(chosen, *QUICKLY, root=folder)


def find_kernel(place: Place) -> tuple[str, str, str, kernel.Kernel]:
    """The architecture, the kernel's name, the shapes and the kernel of a place."""
    arch, wanted, shapes = (*place.cell.split(":", 2), "", "")[:3]
    if arch not in cells.COMPILER or not wanted:
        raise Failure(f"there is no cell {place.cell}; try: one of {' '.join(cells.CELLS)}")
    return arch, wanted, shapes, kernel.find(arch, wanted)


def attempt(place: Place, ko: Path, tests: list[str], seconds: int) -> Trial:
    """Runs some tests in a guest with a module."""
    arch, wanted, shapes, chosen = find_kernel(place)
    programs = cells.build_selftests(arch, chosen)
    command = [str(CHECKOUT / "scripts/vm"), "--arch", arch, "--kernel", wanted, "--timeout", str(seconds)]
    command += ["--module", str(ko), "--copy", f"{programs}:/selftests"]
    if place.append:
        command += ["--append", place.append]
    for name in filter(None, shapes.split("+")):
        command += ["--shape", name]
    command += ["--", "/selftests/run", "--effort", place.effort]
    command += [" -r ".join(test.split(" ", 1)) for test in tests]
    done = subprocess.run(
        command, check=False, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    parser = Parser()
    for line in done.stdout.splitlines():
        parser.line(line)
    return Trial(parser.finish(), done.stderr, done.returncode, done.stdout)


def control(place: Place, mutants: list[Mutant]) -> str:
    """Runs the tests of all mutants of a place with the sound module; says what is wrong, if anything is."""
    ko = module.build(find_kernel(place)[3])
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    trial = attempt(place, ko, tests, CONTROL_SECONDS)
    bad = trial.count.failed + trial.count.skipped
    # A name of no test runs none, and then a program is all that is counted.
    if not bad and trial.status == 0 and trial.count.passed == len(tests):
        return ""
    print(trial.output + trial.kernel)
    return f"the sound module: {trial.count}, exit code {trial.status} {', '.join(bad)}"


def judge(mutant: Mutant, trial: Trial) -> Verdict:
    """What the run means for the mutant."""
    said = re.search(mutant.says, trial.kernel, re.M) if mutant.says else None
    names = [test.partition(" ")[2] for test in mutant.tests]
    # On a busy machine anything may take too long.
    late = set() if mutant.hangs else set(TIMEOUT.findall(trial.output))
    red = [name for name in names if name in trial.count.failed and name.rpartition(".")[2] not in late]
    if said:
        before, behind = trial.kernel[: said.end()].rpartition("\n")[2], trial.kernel[said.end() :]
        return Verdict(mutant, "killed", text_of(before + behind.partition("\n")[0]).strip())
    if len(red) == len(names):
        return Verdict(mutant, "killed", " ".join(red))
    others = [name for name in trial.count.failed if name not in red]
    rest = f"{trial.count}, exit code {trial.status}" + (f": {', '.join(others)}" if others else "")
    loaded = "could not be loaded" not in trial.kernel
    ran = trial.count.passed or trial.count.failed
    return Verdict(mutant, "survived" if loaded and ran else "error", rest, trial.output + trial.kernel)


def try_out(mutant: Mutant) -> Verdict:
    """Builds a mutant, runs its tests, and says what became of it."""
    start = time.monotonic()
    try:
        ko = build(mutant, find_kernel(mutant.place)[3])
        verdict = judge(mutant, attempt(mutant.place, ko, list(mutant.tests), MUTANT_SECONDS))
    except Failure as failure:
        verdict = Verdict(mutant, "error", str(failure))
    verdict.seconds = time.monotonic() - start
    print(verdict, flush=True)
    return verdict


def run_all(mutants: list[Mutant], jobs: int) -> list[Verdict]:
    """First the controls, then each mutant whose control is sound."""
    groups: dict[Place, list[Mutant]] = {}
    for mutant in mutants:
        groups.setdefault(mutant.place, []).append(mutant)
    with ThreadPoolExecutor(jobs) as pool:
        wrong = dict(zip(groups, pool.map(lambda place: control(place, groups[place]), groups)))
        for place, why in wrong.items():
            print(f"control   {place}: {why or 'sound'}", flush=True)
        sound = [mutant for mutant in mutants if not wrong[mutant.place]]
        found = list(pool.map(try_out, sound))
    return found + [Verdict(m, "error", wrong[m.place]) for m in mutants if wrong[m.place]]


def report(verdicts: list[Verdict]) -> int:
    """The table and the sums; returns the exit code."""
    hopeless = [v for v in verdicts if v.mutant.survives and v.word != "error"]
    others = [v for v in verdicts if v not in hopeless]
    print()
    for verdict in sorted(others, key=lambda v: v.mutant.name):
        print(verdict)
        print(f"          {verdict.mutant.breaks}")
        if verdict.word != "killed":
            print(verdict.log)
    for verdict in hopeless:
        print(f"{verdict}\n          cannot be noticed here: {verdict.mutant.survives}")
    words = [verdict.word for verdict in others]
    print(f"{words.count('killed')} killed, {words.count('survived')} survived"
          + (f", {words.count('error')} errors" if "error" in words else "")
          + (f"; {len(hopeless)} that cannot be noticed here" if hopeless else ""))  # fmt: skip
    return 0 if words.count("killed") == len(words) else 1


def chosen_by(names: list[str]) -> list[Mutant]:
    """The mutants of these names, or all."""
    known = {mutant.name: mutant for mutant in everyone()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failure(f"there is no mutant {' '.join(unknown)}; try: scripts/mutants --list")
    return [known[name] for name in names] or list(known.values())


def main() -> int:
    """Runs scripts/mutants and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutants", description="Puts mistakes into the module, one at a time, and sees that the tests"
        " notice. Exits with 1 if one survives.")  # fmt: skip
    parser.add_argument("name", nargs="*", help="which; default: all")
    parser.add_argument("--list", action="store_true", help="say what they are, and exit")
    parser.add_argument("--check", action="store_true", help="only see that they apply and name tests, and exit")
    parser.add_argument("--no-control", action="store_true", help="do not try the sound module first")
    parser.add_argument("--jobs", type=int, default=cells.JOBS, help="guests at a time; default: %(default)s")
    options = parser.parse_args()
    try:
        mutants = chosen_by(options.name)
        if options.list:
            for mutant in mutants:
                print(f"{mutant.name:<26} {mutant.place}: {', '.join(mutant.tests)}\n    {mutant.breaks}")
            return 0
        if options.check:
            wrong = [f"{mutant.name}: {problem}" for mutant in mutants for problem in problems(mutant)]
            print("\n".join(wrong), end="\n" if wrong else "")
            return 1 if wrong else 0
        if options.no_control:
            with ThreadPoolExecutor(options.jobs) as pool:
                return report(list(pool.map(try_out, mutants)))
        return report(run_all(mutants, options.jobs))
    except Failure as failure:
        say(str(failure))
        return 1


if __name__ == "__main__":
    sys.exit(main())
