# SPDX-License-Identifier: GPL-2.0
"""Writes the newc archives that the kernel unpacks as its initial file system."""

import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Archive:
    """An archive in which everything belongs to root."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.inode = 0
        self.seen: set[str] = set()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._entry("TRAILER!!!", 0, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644, mtime: float = 0) -> None:
        """A plain file, and the folders it lies in."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data, mtime)

    def folder(self, name: str, mode: int = 0o755) -> None:
        """A folder, and the folders it lies in."""
        if name not in self.seen:
            self._parents(name)
            self.seen.add(name)
            self._entry(name, stat.S_IFDIR | mode, b"")

    def _parents(self, name: str) -> None:
        for parent in reversed(Path(name).parents):
            if str(parent) not in (".", "/"):
                self.folder(str(parent))

    def _entry(self, name: str, mode: int, data: bytes, mtime: float = 0) -> None:
        self.inode += 1
        path = name.lstrip("/").encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, int(mtime), len(data), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        for part in (header + path, data):
            self.out.write(part)
            self.out.write(b"\0" * (-len(part) % 4))
