# SPDX-License-Identifier: GPL-2.0
"""Negative controls: the module with a mistake in it, which a test has to notice.

A mutant is a patch in selftests/mutants. What stands above the patch says what it
breaks, which rule that violates, where it is to be run, and what has to go red; the
README there has the words. A mutant that no test notices has survived: then the tests
promise something that they do not hold.
"""

import argparse
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from guest import cells, cli, kernel, module
from guest.cache import CACHE, CHECKOUT, Failure, contents, git_apply, run_program
from guest.console import splats, text_of
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
PASSED = re.compile(r"^[# ]*ok \d+ (\S+)$", re.M)
# What a kernel complains of if the machine is busy, whatever the module does.
LATE = re.compile(r"rcu: |watchdog: |NMI watchdog: |Watchdog |INFO: (?:rcu_|task )")


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
    """How a run in a guest ended, what it and the kernel complained of, and all that the tests said."""

    count: Count = field(default_factory=Count)
    errors: str = ""
    status: int = 0
    output: str = ""

    def passed(self) -> set[str]:
        """The tests that passed."""
        return set(PASSED.findall(self.output))

    def failed(self, even_late: bool) -> set[str]:
        """Those that failed; on a busy machine anything may take too long."""
        late = set() if even_late else set(TIMEOUT.findall(self.output))
        return {name for name in self.count.failed if name.rpartition(".")[2] not in late}

    def complaint(self, pattern: str) -> str:
        """The line of a report of the kernel's that matches, if one does. Nothing else that is said on the way
        counts: not how the guest boots, and not that it does not come up."""
        reports = splats(self.errors) if pattern and self.status == cli.EXIT_SPLAT else []
        lines = [text_of(line) for report in reports if not LATE.match(report.title) for line in report.lines]
        return next((line for line in lines if re.search(pattern, line)), "")


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
    complaint = git_apply(mutant.patch, CHECKOUT, "--check")
    if complaint:
        found.append(f"it does not apply: {complaint}")
    return found


def build(mutant: Mutant, chosen: kernel.Kernel) -> Path:
    """The module with the mistake in it."""
    scratch = CACHE / "run"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="mutant-") as name:
        folder = Path(name)
        module.stage(contents(module.sources(module.MMLENS)), folder)
        complaint = git_apply(mutant.patch, folder)
        if complaint:
            raise Failure(f"it does not apply: {complaint}")
        return module.build(chosen, *QUICKLY, root=folder)


def attempt(place: Place, ko: Path, tests: list[str], seconds: int) -> Trial:
    """Runs some tests in a guest with a module."""
    cell = cells.parse(place.cell)
    programs = cells.build_selftests(cell.arch)
    # A module that comes and goes, for what watches the kernel's tables.
    other = module.build(cell.find_kernel(), module=module.SAMPLE)
    files = ["--module", str(ko), "--copy", f"{programs}:/selftests", "--copy", f"{other}:/selftests/"]
    how = ["--", "/selftests/run", "--effort", place.effort, *(" -r ".join(test.split(" ", 1)) for test in tests)]
    with cells.shared_file() as shared:
        done = subprocess.run(
            [*cell.command(seconds, place.append, "--shared", str(shared), *files), *how], check=False, text=True,
            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )  # fmt: skip
    parser = Parser()
    for line in done.stdout.splitlines():
        parser.line(line)
    return Trial(parser.finish(), done.stderr, done.returncode, done.stdout)


def control(place: Place, mutants: list[Mutant]) -> str:
    """Runs the tests of all mutants of a place with the sound module; says what is wrong, if anything is."""
    ko = module.build(cells.parse(place.cell).find_kernel())
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    trial = attempt(place, ko, tests, CONTROL_SECONDS)
    # A program that is asked for a test that it does not have runs none, and has not failed.
    wanted = {test.partition(" ")[2] for test in tests}
    bad = trial.count.failed + trial.count.skipped + sorted(wanted - trial.passed() - set(trial.count.failed))
    if not bad and trial.status == 0:
        return ""
    print(trial.output + trial.errors)
    return f"the sound module: {trial.count}, exit code {trial.status}: {', '.join(bad)}"


def judge(mutant: Mutant, trial: Trial) -> Verdict:
    """What the run means for the mutant."""
    names = {test.partition(" ")[2] for test in mutant.tests}
    red = names & trial.failed(bool(mutant.hangs))
    noticed = trial.complaint(mutant.says) or (" ".join(sorted(red)) if red == names else "")
    if noticed and mutant.survives:
        return Verdict(mutant, "error", f"it was noticed, so that it must not say Survives: {noticed}")
    if noticed:
        return Verdict(mutant, "killed", noticed)
    rest = f"{trial.count}, exit code {trial.status}"
    open_ones = names - red - trial.passed()
    log = trial.output + trial.errors
    if open_ones:
        return Verdict(mutant, "error", f"no answer of {', '.join(sorted(open_ones))}; {rest}", log)
    return Verdict(mutant, "survived", rest, log)


def try_out(mutant: Mutant) -> Verdict:
    """Builds a mutant, runs its tests, and says what became of it."""
    start = time.monotonic()
    try:
        ko = build(mutant, cells.parse(mutant.place.cell).find_kernel())
        verdict = judge(mutant, attempt(mutant.place, ko, list(mutant.tests), MUTANT_SECONDS))
    except Failure as failure:
        verdict = Verdict(mutant, "error", str(failure))
    verdict.seconds = time.monotonic() - start
    print(verdict, flush=True)
    return verdict


def run_all(mutants: list[Mutant], jobs: int, with_controls: bool) -> list[Verdict]:
    """First the controls, then each mutant whose control is sound."""
    groups: dict[Place, list[Mutant]] = {}
    for mutant in mutants if with_controls else []:
        groups.setdefault(mutant.place, []).append(mutant)
    with ThreadPoolExecutor(jobs) as pool:
        wrong = dict(zip(groups, pool.map(lambda place: control(place, groups[place]), groups)))
        for place, why in wrong.items():
            print(f"control   {place}: {why or 'sound'}", flush=True)
        found = list(pool.map(try_out, (mutant for mutant in mutants if not wrong.get(mutant.place))))
    return found + [Verdict(m, "error", wrong[m.place]) for m in mutants if wrong.get(m.place)]


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
    parser.add_argument("--jobs", type=cells.positive, default=cells.JOBS, metavar="N",
                        help="guests at a time; default: %(default)s")  # fmt: skip
    options = parser.parse_args()
    mutants = chosen_by(options.name)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:<26} {mutant.place}: {', '.join(mutant.tests)}\n    {mutant.breaks}")
        return 0
    if options.check:
        wrong = [f"{mutant.name}: {problem}" for mutant in mutants for problem in problems(mutant)]
        print("\n".join(wrong), end="\n" if wrong else "")
        return 1 if wrong else 0
    return report(run_all(mutants, options.jobs, not options.no_control))


if __name__ == "__main__":
    run_program(main)
