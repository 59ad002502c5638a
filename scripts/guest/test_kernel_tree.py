# SPDX-License-Identifier: GPL-2.0
"""What scripts/kernel-tree says of a machine on which something is missing.

Each case takes one thing away from headers that are complete but for the Rust
metadata, and wants one line that names it and the command that mends it.
"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "kernel-tree"
RELEASE = "7.2.99+test-amd64"


def output(*command: str) -> str:
    """The first line that a command prints."""
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()[0]


class KernelTree(unittest.TestCase):
    """Every line that a user may meet, one by one."""

    def setUp(self) -> None:
        # pylint: disable=consider-using-with # the test's own end is the end of it
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.headers = Path(self.folder.name) / "headers"
        (self.headers / "include/config").mkdir(parents=True)
        self.release(RELEASE)
        (self.headers / "Module.symvers").write_text("0x0\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
        gcc = output("gcc-14", "--version")
        self.config = {
            "X86_64": "y",
            "RUST": "y",
            "RUSTC_VERSION_TEXT": f'"{output("rustc", "--version")}"',
            "CC_VERSION_TEXT": f'"{gcc}"',
            "GCC_VERSION": "140200",
            "DEBUG_INFO_BTF": "y",
        }

    def release(self, name: str) -> None:
        """The headers are for this kernel."""
        (self.headers / "include/config/kernel.release").write_text(f"{name}\n")

    def complaint(self, *options: str, **environment: str) -> str:
        """The one line that it prints when it gives up."""
        lines = [f"CONFIG_{name}={value}\n" for name, value in self.config.items()]
        (self.headers / ".config").write_text("".join(lines))
        done = subprocess.run(
            [SCRIPT, "--headers", self.headers, *options],
            check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "MMLENS_CACHE": self.folder.name, **environment},
        )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def assert_says(self, line: str, *words: str) -> None:
        """The line has the words, and a command to try."""
        for word in (*words, "; try: "):
            self.assertIn(word, line)

    def test_no_headers(self) -> None:
        """A kernel of which nothing is installed."""
        done = subprocess.run(
            [SCRIPT, "--kver", "7.2.98-none"], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.assert_says(done.stderr, "7.2.98-none has no headers", "apt-get install linux-headers-7.2.98-none")

    def test_no_such_tree(self) -> None:
        """A folder that is not there, and one that is no kernel tree."""
        done = subprocess.run(
            [SCRIPT, "--kdir", "/nonexistent"], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.assert_says(done.stderr, "no kernel tree /nonexistent")

    def test_headers_of_another_kernel(self) -> None:
        """The headers are those of another release than was asked for."""
        self.assert_says(self.complaint("--kver", "7.3.1"), RELEASE, "7.3.1")

    def test_old_kernel(self) -> None:
        """The oldest supported series is 7.2, whatever comes before or after the number."""
        for name in ("7.1.13+deb13-amd64", "6.19.14", "7.1-rc3"):
            self.release(name)
            self.assert_says(self.complaint(), f"kernel {name} is too old", "7.2")

    def test_no_rust_in_the_kernel(self) -> None:
        """CONFIG_RUST is off."""
        del self.config["RUST"]
        self.assert_says(self.complaint(), "CONFIG_RUST is off")

    def test_no_symvers(self) -> None:
        """The kernel was not built to its end."""
        (self.headers / "Module.symvers").unlink()
        self.assert_says(self.complaint(), "no Module.symvers")

    def test_another_rustc(self) -> None:
        """Both versions are named."""
        self.config["RUSTC_VERSION_TEXT"] = '"rustc 1.79.0 (129f3b996 2024-06-10)"'
        self.assert_says(self.complaint(), "rustc 1.79.0 (129f3b996", output("rustc", "--version"), "RUSTC=")

    def test_no_rustc(self) -> None:
        """There is no compiler."""
        self.assert_says(self.complaint(RUSTC="no-such-rustc"), "no rustc", "apt-get install rustc rust-src")

    def test_no_bindgen(self) -> None:
        """There is no bindgen."""
        self.assert_says(self.complaint(BINDGEN="no-such-bindgen"), "no bindgen", "apt-get install bindgen")

    def test_no_compiler(self) -> None:
        """There is no gcc of that version."""
        self.config |= {"CC_VERSION_TEXT": '"gcc-9 (Debian) 9.5.0"', "GCC_VERSION": "90500"}
        self.assert_says(self.complaint(), "no gcc 9", "apt-get install gcc-9")

    def test_no_rust_src(self) -> None:
        """The core library cannot be built."""
        self.assert_says(self.complaint(RUST_LIB_SRC="/nonexistent"), "core library", "apt-get install rust-src")

    def test_no_source(self) -> None:
        """The source is not there, and the line says what it is for."""
        self.assert_says(self.complaint(), "no Rust metadata", "apt-get install linux-source-7.2")

    def test_another_source(self) -> None:
        """The source is of another version."""
        source = Path(self.folder.name) / "source"
        source.mkdir()
        (source / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 12\nEXTRAVERSION =\n")
        self.assert_says(self.complaint("--source", str(source)), "7.2.12", RELEASE)


if __name__ == "__main__":
    unittest.main()
