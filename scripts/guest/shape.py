# SPDX-License-Identifier: GPL-2.0
"""Shapes of a guest's machine: what the address spaces in it depend on, apart from
the architecture and the kernel."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from guest.cache import Failure

UNITS = {"M": 1, "G": 1024}


@dataclass(frozen=True)
class Shape:
    """More words for the kernel's command line and for QEMU."""

    what: str
    arch: str = ""
    append: str = ""
    memory: str = ""
    words: Callable[[int, int], list[str]] | None = None
    # What programs see of it: selftests/machine_shape.c looks whether it is so.
    told: tuple[str, ...] = ()
    # Only QEMU's processor has it for sure: that of the host is what it is.
    emulated: bool = False
    # Of a test cell: what runs in it, instead of all.
    programs: tuple[str, ...] = ()


def two_nodes(cpus: int, size: int) -> list[str]:
    """Words for QEMU: two NUMA nodes, with half of the CPUs and of the memory each."""
    # One core in a package, because no package is in two nodes.
    found = ["-smp", f"{cpus},sockets={cpus}"]
    half = (cpus + 1) // 2
    for node, first, last in ((0, 0, half - 1), (1, half, cpus - 1)):
        own = f",cpus={first}-{last}" if first <= last else ""
        found += ["-object", f"memory-backend-ram,id=node{node},size={size // 2}M",
                  "-numa", f"node,nodeid={node},memdev=node{node}{own}"]  # fmt: skip
    return found


def monitor() -> list[str]:
    """Words for QEMU: a port by which the guest speaks to QEMU itself."""
    # Both ends are of the same QEMU; the name is that of no other one.
    socket = f"socket,path=mmlens-{uuid.uuid4()},abstract=on"
    return ["-chardev", f"{socket},id=monitor,server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            "-chardev", f"{socket},id=plugs",
            "-device", "virtserialport,chardev=plugs,name=mmlens.monitor"]  # fmt: skip


def dimms(_cpus: int, size: int) -> list[str]:
    """Words for QEMU: slots for DIMMs, which the guest plugs by the monitor."""
    return ["-m", f"slots=4,maxmem={size + 4096}M", *monitor()]


def virtio_mem(_cpus: int, size: int) -> list[str]:
    """The same for a machine that has DIMMs only with firmware."""
    return ["-m", f"maxmem={size + 4096}M", "-object", "memory-backend-ram,id=pluggable,size=512M",
            "-device", "virtio-mem-pci,id=plug,memdev=pluggable,requested-size=0", *monitor()]  # fmt: skip


def pointer_authentication(_cpus: int, _size: int) -> list[str]:
    """Words for QEMU: the CPU that it emulates has it, in the way that takes the least time."""
    return ["-global", "max-arm-cpu.pauth=on", "-global", "max-arm-cpu.pauth-impdef=on"]


SHAPES = {
    "4level": Shape("4 levels of page tables, where the CPU has 5", "x86_64", "no5lvl", told=("wide=0",)),
    "pti": Shape("page-table isolation: a copy of the top table for user space", "x86_64", "pti=on", told=("pti=1",)),
    "nolva": Shape("48-bit addresses (47 with 16K pages), where the CPU has 52", "arm64", "arm64.nolva",
                   told=("wide=0",)),  # fmt: skip
    "mte": Shape("memory tags", "arm64", words=lambda cpus, size: ["-machine", "mte=on"], told=("mte=1",),
                 emulated=True),  # fmt: skip
    "pauth": Shape("pointer authentication", "arm64", words=pointer_authentication, told=("pauth=1",), emulated=True),
    "numa": Shape("two nodes with memory", words=two_nodes, told=("nodes=2",)),
    # With less, no gigabyte of either node has nothing in it, from the boot on.
    "1g": Shape("a huge page of 1 GiB", append="hugepagesz=1G hugepages=1", memory="6G", told=("gigantic=1",)),
    "dimm": Shape("DIMMs, which a test plugs and unplugs", "x86_64", words=dimms),
    "vmem": Shape("memory that a test plugs and unplugs (virtio-mem)", "arm64", words=virtio_mem),
    "nodebugfs": Shape("debugfs switched off; of a test cell: only what then differs runs in it",
                       append="debugfs=off", programs=("bulk_text",)),
    # Who reads a table that is gone falls. What compares all of the direct map, which changes with each page then and
    # has no large ones, is not among the programs.
    "pagealloc": Shape("free pages are not in the direct map (debug kernels); of a test cell: what reads tables "
                       "runs in it", append="debug_pagealloc=on",
                       programs=("machine_shape", "race_walk", "race_tables", "race_huge", "race_targets",
                                 "race_kernel", "bulk_walk", "live_processes", "device_storm", "device_revoke",
                                 "module_users")),  # fmt: skip
    "stress": Shape("as any other; of a test cell: only stress-ng runs in it", programs=("stress_ng",)),
}


def find(name: str, arch: str) -> Shape:
    """The shape of that name."""
    fitting = [name for name, shape in SHAPES.items() if shape.arch in ("", arch)]
    if name not in fitting:
        raise Failure(f"there is no shape {name} for {arch}; try: one of {' '.join(fitting)}")
    return SHAPES[name]


def memory(names: list[str], wanted: str, arch: str) -> str:
    """How much memory the guest gets: what was asked for, or what its shapes need."""
    needed = [find(name, arch).memory for name in names]
    return wanted or max(filter(None, needed), key=mebibytes, default="2G")


def append(names: list[str], arch: str) -> str:
    """What the shapes add to the kernel's command line."""
    return " ".join(filter(None, (find(name, arch).append for name in names)))


def words(names: list[str], arch: str, cpus: int, size: str) -> list[str]:
    """What the shapes add to QEMU's command line."""
    found = []
    for name in names:
        more = find(name, arch).words
        found += more(cpus, mebibytes(size)) if more else []
    return found


def told(names: Iterable[str], arch: str) -> list[str]:
    """What programs see of the shapes, as key=value."""
    return [fact for name in names for fact in find(name, arch).told]


def programs(names: Iterable[str], arch: str) -> list[str]:
    """What runs in a test cell of these shapes, if that is not all."""
    return [program for name in names for program in find(name, arch).programs]


def mebibytes(size: str) -> int:
    """2048 of "2G"."""
    if size[-1:] not in UNITS or not size[:-1].isdigit():
        raise Failure(f"no size of memory: {size}; try: 2G, or 512M")
    return int(size[:-1]) * UNITS[size[-1]]
