# SPDX-License-Identifier: GPL-2.0
"""Stock kernels out of Debian's archive.

No version is pinned. The newest release is picked for which the archive has the
image, the headers, the modules and the source, all of one version; the pick is
written beside the unpacked packages and is reused until the cache is cleaned.
"""

import json
import re
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from guest.cache import CACHE, DEBIAN_ARCH, Failure, lock, make, run

APT = ("-q", "-o", "APT::Sandbox::User=root")
LISTS = Path("/var/lib/apt/lists")
MAX_AGE_OF_LISTS = 6 * 3600

# A plain release is "7.2.12+deb13-amd64"; flavours are "7.2.12+deb13-rt-amd64" and
# "7.2.12+deb13-arm64-16k".
HEADERS = re.compile(r"linux-headers-((?P<series>\d+\.\d+)\.\d+\S*-(?:amd64|arm64)\S*)")
OLDEST = (7, 2)


@dataclass(frozen=True)
class Package:
    """One binary package of the archive."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int

    @property
    def spec(self) -> str:
        """The package as apt-get wants to be asked for it."""
        arch = "" if self.architecture == "all" else f":{self.architecture}"
        return f"{self.name}{arch}={self.version}"


@dataclass(frozen=True)
class Pick:
    """A kernel of which the archive has all the parts."""

    arch: str
    release: str
    version: str
    packages: dict[str, Package]

    @property
    def folder(self) -> Path:
        """Where the unpacked packages are."""
        return CACHE / "kernel" / self.release

    @property
    def series(self) -> str:
        """7.3 of 7.3.4+deb13-amd64."""
        return ".".join(self.release.split(".")[:2])

    @property
    def flavour(self) -> str:
        """16k of 7.3.4+deb13-arm64-16k; nothing of a plain release."""
        _, *words = self.release.split("-")
        return "-".join(word for word in words if word != DEBIAN_ARCH[self.arch])


def pick(arch: str, wanted: str) -> Pick:
    """The kernel for `wanted`: "newest", a series such as "7.2", a flavour such as "16k"
    or "7.2-16k", or a release."""

    def build(path: Path) -> None:
        with lock("archive"):
            chosen = choose(kernel_packages(arch), arch, wanted)
        path.write_text(json.dumps(asdict(chosen), indent=1) + "\n")

    path = make(CACHE / "kernel" / f"pick-{arch}-{wanted}.json", f"looking for a kernel {wanted} for {arch}", build)
    known = json.loads(path.read_text())
    known["packages"] = {part: Package(**fields) for part, fields in known["packages"].items()}
    return Pick(**known)


def kernel_packages(arch: str) -> dict[tuple[str, str], Package]:
    """All packages that a kernel is made of, by name and version."""
    update_lists()
    indices = run("apt-get indextargets", "apt-get", "indextargets",
                  "--format=$(FILENAME)", "Created-By: Packages").splitlines()  # fmt: skip
    found = {}
    for index in indices:
        text = run("reading the package lists", "/usr/lib/apt/apt-helper", "cat-file", index)
        for stanza in re.findall(r"^Package: linux-(?:headers|binary|base|modules|source)-.*?\n\n", text, re.M | re.S):
            field = dict(re.findall(r"^(\S+): (.*)$", stanza, re.M))
            if field["Architecture"] in (DEBIAN_ARCH[arch], "all"):
                package = Package(field["Package"], field["Version"], field["Architecture"],
                                  field["SHA256"], int(field["Size"]))  # fmt: skip
                found[package.name, package.version] = package
    return found


def update_lists() -> None:
    """Fetches the package lists, if those of the root are not of today."""
    newest = max((entry.stat().st_mtime for entry in LISTS.glob("*_Packages*")), default=0.0)
    if time.time() - newest < MAX_AGE_OF_LISTS:
        return
    try:
        run("apt-get update", "apt-get", *APT, "update", "-o", "APT::Update::Error-Mode=any")
    except Failure as failure:
        if not newest:
            raise Failure("the package lists could not be fetched; try: check the network, then again") from failure
    for entry in LISTS.glob("*_Packages*"):
        entry.touch()


def complete_kernels(found: dict[tuple[str, str], Package], arch: str) -> list[Pick]:
    """The kernels of which `found` has all the parts."""
    complete = []
    for (name, version), headers in found.items():
        match = HEADERS.fullmatch(name)
        if not match or tuple(map(int, match["series"].split("."))) < OLDEST:
            continue
        release = match[1]
        parts = {
            "headers": headers,
            "image": found.get((f"linux-binary-{release}", version))
            or found.get((f"linux-binary-unsigned-{release}", version)),
            "base": found.get((f"linux-base-{release}", version)),
            "modules": found.get((f"linux-modules-{release}", version)),
            "source": found.get((f"linux-source-{match['series']}", version)),
        }
        packages = {part: package for part, package in parts.items() if package}
        if len(packages) == len(parts):
            complete.append(Pick(arch, release, version, packages))
    return complete


def choose(found: dict[tuple[str, str], Package], arch: str, wanted: str) -> Pick:
    """The newest complete kernel that answers to `wanted`; a flavour only if it is asked for."""
    complete = complete_kernels(found, arch)
    series, _, flavour = wanted.partition("-")
    if not re.fullmatch(r"newest|\d+\.\d+", series):
        series, flavour = "newest", wanted
    answers = [p for p in complete if p.release == wanted] or [
        p for p in complete if series in ("newest", p.series) and p.flavour == flavour
    ]
    if not answers:
        known = " ".join(sorted(p.release for p in complete)) or "none"
        raise Failure(f"the archive has no complete kernel {wanted} for {arch}; try: --kernel with one of: {known}")
    return max(answers, key=lambda p: [int(n) for n in re.findall(r"\d+", p.release)])


def fetch(chosen: Pick) -> Path:
    """The folder with the unpacked packages of a kernel."""

    def build(folder: Path) -> None:
        folder.mkdir()
        for part in ("image", "headers", "base", "modules"):
            download(chosen.packages[part], folder)
            unpack(chosen.packages[part], folder)
        run("depmod", "depmod", "-b", folder, "-m", "/usr/lib/modules", chosen.release)
        (folder / "pick.json").write_text(json.dumps(asdict(chosen), indent=1) + "\n")

    return make(chosen.folder, f"kernel packages {chosen.release}", build)


def fetch_source(chosen: Pick) -> Path:
    """The tarball of the source; both architectures share it."""

    def build(folder: Path) -> None:
        folder.mkdir()
        download(chosen.packages["source"], folder)
        unpack(chosen.packages["source"], folder)

    name = f"linux-source-{chosen.version}"
    folder = make(CACHE / "kernel" / name, f"kernel source {chosen.version}", build)
    return folder / f"usr/src/linux-source-{chosen.series}.tar.xz"


def download(package: Package, folder: Path) -> None:
    """Fetches a package; apt checks it against the signed lists."""
    with lock("archive"):
        try:
            run(f"downloading {package.spec}", "apt-get", *APT, "download", package.spec, cwd=folder)
        except Failure as failure:
            raise Failure(
                f"cannot download {package.spec}; try: check the network, or `make clean-cache` to pick anew"
            ) from failure


def unpack(package: Package, folder: Path) -> None:
    """Unpacks a downloaded package and removes its archive."""
    (deb,) = folder.glob(f"{package.name}_*.deb")
    try:
        subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    except subprocess.CalledProcessError as error:
        raise Failure(f"cannot unpack {package.spec}; try: more disk space for {CACHE}") from error
    deb.unlink()
