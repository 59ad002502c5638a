# SPDX-License-Identifier: GPL-2.0
"""Tests of the debugger's side of GDB's protocol."""

import socket
import threading
import time
import unittest

from guest.debugger import Stub, became, words_of


class Words(unittest.TestCase):
    """Which write it was."""

    def test_became(self) -> None:
        """A word that had another value before."""
        self.assertTrue(became([7, 1], [7, 0], 0))
        self.assertFalse(became([0, 1], [0, 1], 0))
        self.assertFalse(became([0, 2], [0, 1], 0))
        # The first write.
        self.assertFalse(became([], [0, 0], 0))

    def test_words_of(self) -> None:
        """Little-endian, of 32 bits."""
        self.assertEqual(words_of(b"\x01\0\0\0\xff\xff\xff\xff"), [1, 0xFFFFFFFF])


class Protocol(unittest.TestCase):
    """What is said to the stub, and what is understood."""

    def setUp(self) -> None:
        ours, self.qemu = socket.socketpair()
        self.stub = Stub(ours)
        self.addCleanup(ours.close)
        self.addCleanup(self.qemu.close)

    def say(self, *answers: bytes) -> None:
        """Answers each thing that is sent."""

        def work() -> None:
            for answer in answers:
                self.qemu.recv(4096)
                self.qemu.sendall(answer)

        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)

    def test_packet(self) -> None:
        """With its checksum."""
        self.stub.send("vCont?")
        self.assertEqual(self.qemu.recv(4096), b"$vCont?#49")

    def test_answer_in_pieces(self) -> None:
        """However it comes, and with what was there before."""
        self.qemu.sendall(b"+$O")
        self.say(b"K#9a$T05thread:p01.02;#00")
        self.stub.send("?")
        self.assertEqual(self.stub.receive(), "OK")
        self.assertEqual(self.stub.receive(), "T05thread:p01.02;")

    def test_writer(self) -> None:
        """Who stopped."""
        self.say(b"+$T05thread:p01.02;watch:10;#00")
        self.assertEqual(self.stub.next_writer(time.monotonic() + 30), "p01.02")

    def test_nobody_writes(self) -> None:
        """All are stopped again."""
        self.say(b"+", b"$T02thread:p01.01;#00")
        self.assertEqual(self.stub.next_writer(time.monotonic() + 0.05), "")

    def test_the_end(self) -> None:
        """A guest that ends is no answer."""
        self.qemu.close()
        with self.assertRaises(EOFError):
            self.stub.receive()


if __name__ == "__main__":
    unittest.main()
