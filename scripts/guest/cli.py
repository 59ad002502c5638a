# SPDX-License-Identifier: GPL-2.0
"""The command line of scripts/vm."""

import argparse
import os
import shlex
import shutil
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from guest import console, debugger, image, kernel, module, qemu, shape
from guest.cache import CHECKOUT, HOST, Failure, remove, run_program, say
from guest.cpio import Archive

EXIT_TIMEOUT = 124
EXIT_SPLAT = 99
GUEST = CHECKOUT / "scripts/guest"


def parse(words: list[str]) -> argparse.Namespace:
    """Everything after a lone -- is the command, whatever it looks like."""
    command: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(
        prog="scripts/vm", usage="%(prog)s [options] [-- CMD ARGS...]",
        description="Boots a stock Debian kernel with mmlens loaded, and runs CMD in it as root"
        " (or, without CMD, a shell). Exits with CMD's code; 99 if the kernel complained, 124 if time ran out.",
    )  # fmt: skip
    parser.add_argument("--arch", choices=("x86_64", "arm64"), default="x86_64")
    parser.add_argument("--kernel", default="newest",
                        help="a series, a flavour (16k, 7.2-16k, rt), a release, debug; default: newest")  # fmt: skip
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", default="", help="such as 2G, the default")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME", help="of the machine: " + "; ".join(
                        f"{name}: {known.what}" for name, known in shape.SHAPES.items()))  # fmt: skip
    parser.add_argument("--append", default="", help="more words for the kernel's command line")
    parser.add_argument("--qemu", action="append", default=[], metavar="ARG", help="one more word for QEMU")
    parser.add_argument("--icount", action="store_true", help="count instructions instead of time")
    parser.add_argument("--copy", action="append", default=[], metavar="SRC[:DST]", help="default DST: /NAME")
    parser.add_argument("--shared", metavar="FILE",
                        help="a file in the cache that is memory of a PCI function too (ivshmem)")  # fmt: skip
    parser.add_argument("--debugger", action="store_true",
                        help="tests may make a processor stand still; not with KVM")
    parser.add_argument("--timeout", type=float, help="seconds; default: 600 for a command, none for a shell")
    parser.add_argument("--module", metavar="FILE", help="a module to load in place of mmlens")
    parser.add_argument("--no-module", action="store_true", help="do not load mmlens")
    parser.add_argument("--version", action="store_true", help="say which kernel would run, and exit")
    options = parser.parse_args(joined(words))
    options.command = command
    return options


def joined(words: list[str]) -> list[str]:
    """Ties the words of QEMU and of the kernel to their options: they may begin with
    a dash, which argparse would take for an option of its own."""
    found: list[str] = []
    for word in words:
        if found and found[-1] in ("--qemu", "--append"):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def copies(words: list[str]) -> list[tuple[Path, str]]:
    """What to put where in the guest. A source is one of the caller's files."""
    found = []
    for word in words:
        name, _, target = word.partition(":")
        source = of_caller("--copy", name)
        target = target or "/"
        if target.endswith("/"):
            target += source.name
        found.append((source, target))
    return found


def of_caller(option: str, name: str) -> Path:
    """One of the caller's files."""
    path = os.path.abspath(os.path.join(os.environ.get("MMLENS_CWD", os.getcwd()), name))
    # Resolved on the host's side: its links mean its own files.
    source = Path(str(HOST) + path)
    if not source.exists():
        raise Failure(f"{option}: there is no file {path}")
    return source


def module_for(options: argparse.Namespace, chosen: kernel.Kernel) -> Path | None:
    """What to load, if anything."""
    if options.no_module:
        return None
    return of_caller("--module", options.module) if options.module else module.build(chosen)


def payload(options: argparse.Namespace, ko: Path | None, out: Path) -> None:
    """What this run adds to the initial file system."""
    with out.open("ab") as handle, Archive(handle) as archive:
        archive.file("payload/run/start", (GUEST / "start").read_bytes())
        if ko:
            archive.file("payload/run/mmlens.ko", ko.read_bytes())
        if options.command:
            text = f"exec {shlex.join(options.command)}\n"
            archive.file("payload/run/command", text.encode())
        archive.file("payload/run/env", environment(not options.command).encode())
        if options.copy:
            # Where guest/init mounts them.
            archive.folder("payload/run/files")


def environment(interactive: bool) -> str:
    """What the guest's shell has to know of the person's terminal."""
    if not interactive:
        return ""
    size = shutil.get_terminal_size()
    term = shlex.quote(os.environ.get("TERM", "linux"))
    return f"export TERM={term} ROWS={size.lines} COLS={size.columns}\n"


def assemble(options: argparse.Namespace, chosen: kernel.Kernel, folder: Path) -> qemu.Guest:
    """Makes what is missing, and puts the guest together in a folder of its own."""
    userland = image.userland(options.arch)
    initrd = folder / "initrd"
    shutil.copyfile(qemu.early_initrd(chosen, userland, GUEST / "init"), initrd)
    payload(options, module_for(options, chosen), initrd)
    disks = [userland / "root.ext4", chosen.modules]
    if options.copy:
        disks.append(folder / "files.ext4")
        image.files(copies(options.copy), disks[-1])
    timeout = options.timeout or (600 if options.command else None)
    memory = shape.memory(options.shape, options.memory, options.arch)
    append = " ".join(filter(None, (chosen.append, shape.append(options.shape, options.arch), options.append)))
    words = shape.words(options.shape, options.arch, options.cpus, memory) + options.qemu
    if options.shared:
        # QEMU writes to it, so that it has to be where the root may.
        of_caller("--shared", options.shared)
        words += qemu.shared_memory(Path(options.shared))
    return qemu.Guest(options.arch, chosen.image, initrd, folder, disks, options.cpus, memory,
                      append, words, options.icount, timeout)  # fmt: skip


def boot(options: argparse.Namespace, chosen: kernel.Kernel) -> int:
    """Runs the guest, and judges the run."""
    interactive = not options.command
    if interactive and not sys.stdin.isatty():
        raise Failure("a shell needs a terminal; try: scripts/vm -- CMD")
    folder = qemu.run_folder()
    try:
        guest = assemble(options, chosen, folder)
        accelerator = "tcg"
        if not options.icount:
            accelerator = qemu.find_accelerator(chosen)
        with debugger.words(options.arch) if options.debugger and accelerator == "tcg" else nullcontext([]) as words:
            in_time = qemu.run(replace(guest, options=[*guest.options, *words]), accelerator, interactive)
        return judge(folder, in_time, guest.timeout)
    finally:
        for name in ("initrd", "files.ext4", "stdout", "stderr"):
            remove(folder / name)


def judge(folder: Path, in_time: bool, timeout: float | None) -> int:
    """The exit code, after a look at what the kernel said."""
    path = folder / "console.log"
    log = path.read_text(errors="replace") if path.exists() else ""
    status = (folder / "status").read_text().split() if (folder / "status").exists() else []
    status = [word for word in status if word != "up"]
    found = console.splats(log)
    for splat in found:
        print("\n".join(splat.lines), file=sys.stderr)
    why = console.panic(log)
    if why:
        say(f"the guest's kernel panicked: {why}")
    if found:
        say(f"the kernel complained: {found[0].title} ({len(found)} in all, see {path})")
        return EXIT_SPLAT
    if not in_time:
        print(console.tail(log), file=sys.stderr)
        say(f"no end after {timeout:.0f} s, the guest was stopped (its last lines are above, all are in {path})")
        return EXIT_TIMEOUT
    if status[:1] == ["exit"]:
        return int(status[1])
    print(console.tail(log), file=sys.stderr)
    if status[:1] == ["module"]:
        say(f"mmlens.ko could not be loaded (the kernel's last lines are above, all are in {path})")
    else:
        print((folder / "qemu.log").read_text(errors="replace"), file=sys.stderr, end="")
        say(f"the guest ended before the command did (its last lines are above, all are in {path})")
    return EXIT_SPLAT


def main() -> int:
    """Runs scripts/vm and returns its exit code."""
    options = parse(sys.argv[1:])
    try:
        if options.version:
            print(kernel.describe(options.arch, options.kernel))
            return 0
        return boot(options, kernel.find(options.arch, options.kernel))
    except BrokenPipeError:
        # Whoever read the output has gone, like `| head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    run_program(main)
