# SPDX-License-Identifier: GPL-2.0
"""Runs one guest in QEMU and follows what comes out of it."""

import lzma
import os
import platform
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guest import image
from guest.cache import CACHE, digest, hold, make, say, tidy
from guest.cpio import Archive
from guest.kernel import Kernel

# What is slow to emulate, and changes nothing of what is tested. A CPU that clears and copies fast with one
# instruction makes the kernel do it byte by byte, eight times as slow as words; libc takes vectors for strings
# where it can. Who wants pointer authentication, in each function of the kernel, has a shape for it.
CPU = {
    "x86_64": "max,erms=off,fsrm=off,fsrs=off,fzrm=off,fsrc=off,avx=off,avx2=off,sse4.2=off",
    "arm64": "max,sve=off,sme=off",
}
MACHINE = {
    "x86_64": ("qemu-system-x86_64", "-machine", "q35", "-cpu", CPU["x86_64"]),
    "arm64": ("qemu-system-aarch64", "-machine", "virt,gic-version=3", "-cpu", CPU["arm64"],
              "-global", "max-arm-cpu.pauth=off"),  # fmt: skip
}
BOOT = {"x86_64": "console=ttyS0", "arm64": "console=ttyAMA0"}
# On a busy host an emulated timer ticks too late for the kernel's check of it, which
# then panics. And all emulated CPUs count time together, in whichever sockets they are:
# the kernel would go to another clock, which takes an exit from the guest to read.
BOOT_EMULATED = {"x86_64": "no_timer_check tsc=reliable", "arm64": ""}
# Longer than a boot takes where KVM works, much shorter than a hang.
PROBE_SECONDS = 15
# Longer than any kernel takes to its first program, on a busy machine.
BOOT_SECONDS = 120
KEEP_RUNS = 10


@dataclass
class Guest:
    """What a guest is made of, and how it is to run."""

    arch: str
    kernel: Path
    initrd: Path
    folder: Path
    disks: Sequence[Path] = ()
    cpus: int = 2
    memory: str = "2G"
    append: str = ""
    options: Sequence[str] = field(default_factory=list)
    icount: bool = False
    timeout: float | None = None

    def command(self, accelerator: str, interactive: bool) -> list[str]:
        """QEMU's command line."""
        machine, boot = list(MACHINE[self.arch]), [BOOT[self.arch], "panic=-1", self.append]
        if accelerator == "kvm":
            machine[machine.index("-cpu") + 1] = "host"
        else:
            boot.insert(1, BOOT_EMULATED[self.arch])
        words = [
            *machine, "-accel", accelerator, "-smp", str(self.cpus), "-m", self.memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(self.kernel), "-initrd", str(self.initrd),
            "-append", " ".join(filter(None, boot)),
            "-chardev", f"file,id=console,path={self.folder}/console.log", "-serial", "chardev:console",
            "-device", "virtio-serial-pci",
            "-chardev", "stdio,id=tty,signal=off" if interactive else "null,id=tty",
            "-device", "virtconsole,nr=0,chardev=tty",
        ]  # fmt: skip
        # Plain files never push back, so that nothing is lost when the guest
        # powers off right after its last write.
        for number, name in enumerate(("stdout", "stderr", "status"), start=1):
            words += ["-chardev", f"file,id={name},path={self.folder}/{name}",
                      "-device", f"virtserialport,nr={number},chardev={name}"]  # fmt: skip
        for disk in self.disks:
            words += ["-drive", f"file={disk},if=virtio,format=raw,snapshot=on,cache=unsafe"]
        if self.icount:
            words += ["-icount", "shift=0,sleep=off"]
        return [*words, *self.options]


def shared_memory(path: Path) -> list[str]:
    """Words for QEMU: a PCI function whose third region is the file, byte by byte."""
    backend = f"memory-backend-file,id=shared,size={path.stat().st_size},share=on,mem-path={path}"
    return ["-object", backend, "-device", "ivshmem-plain,memdev=shared"]


def start(guest: Guest, accelerator: str, interactive: bool = False) -> subprocess.Popen[bytes]:
    """Starts QEMU; it dies with this process, however that dies."""
    with (guest.folder / "qemu.log").open("wb") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *guest.command(accelerator, interactive)],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=None if interactive else log, stderr=log,
            env={**os.environ, "TMPDIR": str(guest.folder)},
        )  # fmt: skip


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends QEMU, if it has not ended."""
    process.kill()
    process.wait()


def run(guest: Guest, accelerator: str, interactive: bool) -> bool:
    """Runs a guest to its end. False if time ran out."""
    process = start(guest, accelerator, interactive)
    try:
        if interactive:
            converse(process)
            return True
        if (guest.timeout or 0) > BOOT_SECONDS and not comes_up(guest, process):
            say(f"the guest did not come up in {BOOT_SECONDS} s; trying once more")
            stop(process)
            process = start(guest, accelerator)
        return follow(guest, process)
    finally:
        stop(process)


def comes_up(guest: Guest, process: subprocess.Popen[bytes]) -> bool:
    """Waits for the guest's first word. False if it hangs before, which emulation
    does once in a great while, early in the kernel's boot."""
    deadline = time.monotonic() + BOOT_SECONDS
    status = guest.folder / "status"
    while process.poll() is None:
        if status.exists() and status.stat().st_size:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def follow(guest: Guest, process: subprocess.Popen[bytes]) -> bool:
    """Passes the command's output on as it comes. False if time ran out."""
    deadline = time.monotonic() + guest.timeout if guest.timeout else None
    streams = [(guest.folder / "stdout", sys.stdout.buffer), (guest.folder / "stderr", sys.stderr.buffer)]
    offsets = [0, 0]

    def drain() -> bool:
        moved = False
        for number, (path, out) in enumerate(streams):
            if path.exists() and path.stat().st_size > offsets[number]:
                with path.open("rb") as source:
                    source.seek(offsets[number])
                    while data := source.read(1 << 20):
                        offsets[number] += len(data)
                        out.write(data)
                        moved = True
                out.flush()
        return moved

    try:
        while process.poll() is None:
            if not drain():
                time.sleep(0.02)
            if deadline and time.monotonic() > deadline:
                return False
        return True
    finally:
        stop(process)
        drain()


def converse(process: subprocess.Popen[bytes]) -> None:
    """Lets the person talk to the guest, and gives the terminal back as it was."""
    before = termios.tcgetattr(sys.stdin)
    # ^C is for the guest; QEMU makes the terminal raw, but only once it is up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.wait()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def find_accelerator(kernel: Kernel) -> str:
    """KVM if a guest really boots with it on this boot of the host, else emulation."""
    arch = kernel.arch
    host = platform.machine().replace("aarch64", "arm64")
    if arch != host or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def probe(verdict: Path) -> None:
        busybox = image.userland(arch) / "busybox"
        verdict.write_text("kvm" if boots_with_kvm(arch, kernel.image, busybox) else "tcg")

    return make(CACHE / "kvm" / f"{boot}-{arch}", "probing KVM with a real boot", probe).read_text()


def boots_with_kvm(arch: str, kernel: Path, busybox: Path) -> bool:
    """Boots a guest that says one word and powers off."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "initrd").open("wb") as out, Archive(out) as archive:
            archive.file("busybox", busybox.read_bytes(), 0o755)
            archive.file("init", b"#!/busybox sh\necho it-lives\n/busybox poweroff -f\n", 0o755)
            archive.folder("dev")
        guest = Guest(arch, kernel, folder / "initrd", folder, memory="512M")
        process = start(guest, "kvm")
        try:
            process.wait(PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            stop(process)
        log = folder / "console.log"
        return log.exists() and b"it-lives" in log.read_bytes()


def early_initrd(kernel: Kernel, userland: Path, init: Path) -> Path:
    """The part of the initial file system that is the same in every run."""

    def build(path: Path) -> None:
        with path.open("wb") as out, Archive(out) as archive:
            for folder in ("dev", "proc", "sys", "root"):
                archive.folder(folder)
            archive.file("init", init.read_bytes(), 0o755)
            archive.file("busybox", (userland / "busybox").read_bytes(), 0o755)
            for number, module in enumerate(kernel.early):
                data = module.read_bytes()
                archive.file(f"early/{number:02}.ko", lzma.decompress(data) if module.suffix == ".xz" else data)

    key = digest(init.read_bytes(), userland.name)
    return make(CACHE / "image" / f"initrd-{kernel.release}-{key}", f"initial file system of {kernel.release}", build)


def run_folder() -> Path:
    """A folder for one run; the logs of the last few are kept."""
    runs = CACHE / "run"
    runs.mkdir(parents=True, exist_ok=True)
    tidy(runs, KEEP_RUNS)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%H%M%S-"), dir=runs))
    # A run may last for hours.
    hold(folder)
    return folder
