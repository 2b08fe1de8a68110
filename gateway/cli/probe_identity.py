"""The certificates that `probe` shows: from PEM or DER files, PKCS#12 or a profile."""

import sys
from pathlib import Path

import click

from gateway.cli.chain import read_certificates
from gateway.cli.profile_input import read_key, read_pkcs12, read_secret
from gateway.errors import ProfileError
from gateway.probe.target import ProbeIdentity
from gateway.profiles.pkcs12 import Opened, unpack

_PASSWORD = "--p12-password-file"  # noqa: S105 (the option's name)


def from_files(certificate: Path | None, key: Path | None, option: str) -> ProbeIdentity | None:
    """A certificate with its chain and its key; None where neither is given.

    A usage error if one is missing; CertificateError or ProfileError if a file cannot be read.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError(f"--{option}certificate and --{option}key are given together")
    leaf, *chain = read_certificates(certificate)
    return ProbeIdentity(leaf, read_key(key, f"--{option}key"), tuple(chain))


def from_pkcs12(path: Path, password_file: Path | None) -> ProbeIdentity:
    """The identity in a PKCS#12 file; raises ProfileError."""
    password = read_password(password_file, str(path))
    return open_pkcs12(read_pkcs12(path), password, str(path))


def read_password(password_file: Path | None, what: str) -> str:
    """From its file, or asked for on a terminal; a usage error where there is none."""
    if password_file is not None:
        return read_secret(password_file, _PASSWORD)
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what} needs its password: {_PASSWORD} FILE")
    answer: str = click.prompt(f"Password of {what}", hide_input=True, err=True)
    return answer


def open_pkcs12(content: bytes, password: str, where: str) -> ProbeIdentity:
    """The identity in `content`; raises ProfileError, which names `where` it is from."""
    try:
        opened: Opened = unpack(content, password)
    except ProfileError as error:
        raise ProfileError(f"{where}: {error}") from error
    if opened.key is None:
        raise ProfileError(f"{where}: it holds no private key, so nobody can sign in with it")
    return ProbeIdentity(opened.certificate, opened.key, opened.chain)
