# SPDX-License-Identifier: GPL-2.0
"""A debugger for tests: makes one processor of a guest stand still between two steps of the kernel.

Some races have a window of a few instructions, and nothing that runs in the guest makes it wider without
changing the code. From outside, a processor can be stopped at a write to memory, while the others go on.

A test asks by a line in the guest's port (selftests/lib/debugger.c): the address and the size of a piece of
memory, a value, and how long in milliseconds. The answer is `watching`, and then, once a processor has made
a 32-bit word there become that value, and stood still for so long, `met`; or `missed`, after a minute.

QEMU's GDB stub does it, if the guest is emulated: with KVM a watched piece has at most 8 bytes.
"""

import contextlib
import re
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# How long to wait for the write.
WATCH_SECONDS = 60
# Longer than the stub takes to answer on a busy machine.
ANSWER_SECONDS = 30
PACKET = re.compile(rb"\$([^#]*)#..", re.S)
WISH = re.compile(rb"([0-9a-f]+) (\d+) (\d+) (\d+)\n")


class Stub:
    """GDB's remote protocol, as much of it as it takes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pending = b""

    def send(self, text: str) -> None:
        """Sends a packet."""
        data = text.encode()
        self.connection.sendall(b"$%b#%02x" % (data, sum(data) & 0xFF))

    def receive(self, seconds: float = ANSWER_SECONDS) -> str:
        """The next packet. TimeoutError if there is none, EOFError if the guest has ended."""
        deadline = time.monotonic() + seconds
        while not (found := PACKET.search(self.pending)):
            self.connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self.connection.recv(4096)
            if not data:
                raise EOFError
            self.pending += data
        self.pending = self.pending[found.end() :]
        self.connection.sendall(b"+")
        return found[1].decode()

    def ask(self, text: str) -> str:
        """Sends a packet, and returns the answer."""
        self.send(text)
        return self.receive()

    def interrupt(self) -> None:
        """Stops every processor."""
        self.connection.sendall(b"\x03")
        self.receive()

    def processors(self) -> list[str]:
        """Their names."""
        # This makes the names be those of a process and a thread in it, for all that follows.
        self.ask("qSupported:multiprocess+;vContSupported+")
        found = []
        answer = self.ask("qfThreadInfo")
        while answer.startswith("m"):
            found += answer[1:].split(",")
            answer = self.ask("qsThreadInfo")
        return found

    def next_writer(self, deadline: float) -> str:
        """Lets all go on until one writes to what is watched; its name, or "" if none does in time. All have
        stopped then."""
        self.send("vCont;c")
        try:
            stop = re.search(r"thread:([^;]+)", self.receive(deadline - time.monotonic()))
        except TimeoutError:
            self.interrupt()
            return ""
        return stop[1] if stop else ""

    def only(self, names: list[str], seconds: float) -> None:
        """Lets only these processors go on, for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.send("vCont" + "".join(f";c:{name}" for name in names))
            try:
                # If another one wrote there just before all had stopped, its stop comes only now.
                self.receive(left)
            except TimeoutError:
                self.interrupt()

    def words(self, address: int, size: int) -> list[int]:
        """What is in memory, by the eyes of the processor that has stopped; nothing if it cannot be read."""
        answer = self.ask(f"m{address:x},{size:x}")
        return [] if answer.startswith("E") else words_of(bytes.fromhex(answer))


def words_of(data: bytes) -> list[int]:
    """Words of 32 bits, little-endian."""
    return [word for (word,) in struct.iter_unpack("<I", data)]


def became(before: list[int], now: list[int], value: int) -> bool:
    """Whether a word is that value that was not."""
    return any(new == value != old for old, new in zip(before, now))


def watch(stub: Stub, arch: str, wish: tuple[int, int, int, int], watching: socket.socket) -> bool:
    """Does what a test wishes. False if no word became that value in time."""
    address, size, value, milliseconds = wish
    place = f"2,{address:x},{size:x}"
    processors = stub.processors()
    stub.ask(f"Z{place}")
    watching.sendall(b"watching\n")
    deadline = time.monotonic() + WATCH_SECONDS
    before: list[int] = []
    while writer := stub.next_writer(deadline):
        stub.ask(f"z{place}")
        if arch == "arm64":
            # There, QEMU stops before the write.
            stub.ask(f"vCont;s:{writer}")
        now = stub.words(address, size)
        if became(before, now, value):
            stub.only([name for name in processors if name != writer], milliseconds / 1000)
            return True
        before = now
        stub.ask(f"Z{place}")
    stub.ask(f"z{place}")
    return False


def serve(test: socket.socket, gdb: Path, arch: str) -> None:
    """Does what the tests of a guest wish, one after the other, until it ends."""
    pending = b""
    while data := test.recv(4096):
        pending += data
        while found := WISH.match(pending):
            pending = pending[found.end() :]
            with socket.socket(socket.AF_UNIX) as connection:
                # With this, all processors stop.
                connection.connect(str(gdb))
                stub = Stub(connection)
                address, *numbers = found.groups()
                wish = (int(address, 16), int(numbers[0]), int(numbers[1]), int(numbers[2]))
                met = watch(stub, arch, wish, test)
                # QEMU's only process; all processors go on.
                stub.ask("D;1")
            test.sendall(b"met\n" if met else b"missed\n")


@contextlib.contextmanager
def words(arch: str) -> Iterator[list[str]]:
    """QEMU's words for it, and somebody who does it meanwhile."""
    # A socket's name has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="mmlens-") as name, socket.socket(socket.AF_UNIX) as listener:
        port, gdb = Path(name) / "port", Path(name) / "gdb"
        listener.bind(str(port))
        listener.listen()

        def work() -> None:
            # A guest that does not come up is started once more.
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError, EOFError):
                        serve(connection, gdb, arch)

        threading.Thread(target=work, daemon=True).start()
        yield ["-gdb", f"unix:{gdb},server=on,wait=off",
               "-chardev", f"socket,id=debugger,path={port}",
               "-device", "virtserialport,chardev=debugger,name=mmlens.debugger"]  # fmt: skip
        # Closing it would not wake who waits.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
