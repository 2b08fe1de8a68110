"""Debian packages of the test bed, installed without letting one of them start a daemon."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGES = (
    "sogo",
    "sogo-activesync",
    "mariadb-server",
    "memcached",
    "dovecot-imapd",
    "libwbxml2-utils",  # wbxml2xml and xml2wbxml, which our own codec is checked against
)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START_POLICY = Path("/usr/sbin/policy-rc.d")  # invoke-rc.d asks it; 101 is "do not start"


def install_missing(packages: Sequence[str] = PACKAGES) -> None:
    """All of `packages` are installed.

    Raises:
        RuntimeError: apt-get failed; the text ends with what it said.
    """
    missing = [package for package in packages if not _is_installed(package)]
    if not missing:
        return
    with _nothing_started():
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


@contextlib.contextmanager
def _nothing_started() -> Iterator[None]:
    if START_POLICY.exists():  # the machine has a policy of its own, which stands
        yield
        return
    START_POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    START_POLICY.chmod(0o755)
    try:
        yield
    finally:
        START_POLICY.unlink()


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = subprocess.run(
        command,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": SYSTEM_PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout[-4000:]}")
