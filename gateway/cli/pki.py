"""`eas-gateway pki`: the development PKI in a folder."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import click

from gateway.cli.options import json_option
from gateway.errors import CertificateError
from gateway.pki import crl
from gateway.pki.authority import LEAF_LIFETIME
from gateway.pki.files import create_secret
from gateway.pki.folder import PkiFolder, is_pki, read_certificates
from gateway.pki.state import REASONS, Revoked

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
_TEN_YEARS = 3650


class _IssueOptions(TypedDict):
    upn: str | None
    email: str | None
    name: str | None
    days: int
    password_file: Path | None


directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder of the PKI.",
)


@click.group("pki")
def command() -> None:
    """Make a development PKI, issue and revoke its certificates.

    Its keys lie unencrypted in the folder: not for production.
    """


@command.command()
@directory_option
@click.option(
    "--hostname",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A further name or IP address of the server; repeat for more.",
)
@click.option("--if-missing", is_flag=True, help="Succeed if there is a PKI already.")
@json_option
def init(directory: Path, hosts: tuple[str, ...], *, if_missing: bool, as_json: bool) -> None:
    """Make root, issuing CA, server and device certificates and empty CRLs."""
    if is_pki(directory):
        sentence = f"there is a PKI in {directory} already; it stays as it is"
        if not if_missing:
            raise CertificateError(sentence)
        click.echo(sentence, err=True)
        return
    folder = PkiFolder.create(directory, hosts=hosts)
    names = [one.name for one in folder.state.issued]
    if as_json:
        _print_json({"directory": str(directory), "issued": names})
    else:
        click.echo(f"PKI made in {directory}: root, {', '.join(names)}, foreign, and the CRLs.")


@command.command()
@directory_option
@click.option("--upn", metavar="UPN", help="The owner's user principal name.")
@click.option("--email", metavar="ADDRESS", help="The owner's mail address (RFC822 name).")
@click.option("--name", metavar="FILE", help="File name without suffix; the owner's local part.")
@click.option(
    "--days",
    type=click.IntRange(1, _TEN_YEARS),
    default=LEAF_LIFETIME.days,
    show_default=True,
    help="How long the certificate is valid.",
)
@click.option("--p12", is_flag=True, help="Write a PKCS#12 file as well; needs --password-file.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Holds the password of the PKCS#12 file; made with a random one if it is missing.",
)
@json_option
def issue(directory: Path, *, p12: bool, as_json: bool, **options: Unpack[_IssueOptions]) -> None:
    """Issue a device certificate with the owner's UPN, mail address or both."""
    upn, email, password_file = options["upn"], options["email"], options["password_file"]
    if "" in {upn, email}:
        raise click.UsageError("--upn and --email must not be empty; leave one out instead")
    if p12 != (password_file is not None):
        raise click.UsageError("--p12 and --password-file FILE are given together or not at all")
    name = _file_name(options["name"], upn or email)
    now = crl.now()
    with PkiFolder.open(directory) as folder, _password(password_file) as password:
        identity = folder.issue(
            name,
            upn=upn,
            email=email,
            pkcs12_password=password,
            not_before=now,
            not_after=now + timedelta(days=options["days"]),
        )
    files = [str(directory / f"{name}.{suffix}") for suffix in ("pem", "key", *["p12"] * p12)]
    if as_json:
        _print_json({"serial": f"{identity.serial_number:x}", "files": files})
    else:
        click.echo(f"Issued {identity.serial_number:x}: {', '.join(files)}")


@command.command()
@directory_option
@click.argument("certificate", metavar="SERIAL|FILE")
@click.option(
    "--reason",
    type=click.Choice([*REASONS], case_sensitive=False),
    help="The reason code of the CRL entry; none unless given.",
)
@json_option
def revoke(directory: Path, certificate: str, *, reason: str | None, as_json: bool) -> None:
    """Revoke a certificate and sign fresh CRLs.

    It is named by its serial number in hexadecimal, as `openssl x509 -serial` prints it, or by
    its PEM file.
    """
    with PkiFolder.open(directory) as folder:
        serial_number = _serial_number(directory, certificate)
        before = folder.state.find_revoked(serial_number)
        revoked = folder.revoke(serial_number, reason=reason)
        name = folder.find(serial_number).name
        described = _described(folder, revoked)
    if as_json:
        _print_json(described)
    elif before is not None:
        click.echo(f"{name} ({revoked.serial}) is revoked since {revoked.revocation_date}.")
    else:
        click.echo(f"Revoked {name} ({revoked.serial}) and signed {revoked.issuer}.crl anew.")


@command.command("crl")
@directory_option
@click.option(
    "--days",
    type=click.IntRange(1, _TEN_YEARS),
    default=crl.LIFETIME.days,
    show_default=True,
    help="How long until the next update that the CRLs promise.",
)
@json_option
def sign_crl(directory: Path, days: int, *, as_json: bool) -> None:
    """Sign root.crl and issuing.crl anew, with the next CRL number."""
    with PkiFolder.open(directory) as folder:
        number = folder.sign_crls(lifetime=timedelta(days=days))
        revoked = [_described(folder, one) for one in folder.state.revoked]
    if as_json:
        _print_json({"crl_number": number, "revoked": revoked})
    else:
        click.echo(f"Signed root.crl and issuing.crl, number {number}: {len(revoked)} revoked.")


def _file_name(name: str | None, owner: str | None) -> str:
    if owner is None:
        raise click.UsageError("name the owner: --upn, --email or both")
    chosen = name or owner.partition("@")[0]
    if not _FILE_NAME.match(chosen):
        raise click.UsageError(
            f"--name {chosen!r} is no file name: use letters, digits, '.', '_' and '-'"
        )
    return chosen


@contextmanager
def _password(path: Path | None) -> Iterator[bytes | None]:
    """The password in `path`, made if it is missing and taken away again if the context fails."""
    if path is None:
        yield None
        return
    made = not path.exists()
    if made:
        create_secret(path, secrets.token_urlsafe(18).encode() + b"\n")
    try:
        yield _read_password(path)
    except BaseException:
        if made:
            path.unlink()
        raise


def _read_password(path: Path) -> bytes:
    try:
        password = path.read_bytes().strip()
    except OSError as error:
        raise CertificateError(
            f"--password-file: {path}: cannot be read: {error.strerror}"
        ) from error
    if not password:
        raise CertificateError(f"--password-file: {path} is empty")
    return password


def _serial_number(directory: Path, text: str) -> int:
    """The serial number that `text` is, or that of the certificate in the file it names."""
    for path in (Path(text), directory / text):
        if path.is_file():
            return read_certificates(path)[0].serial_number
    try:
        return int(text.replace(":", ""), 16)
    except ValueError:
        raise CertificateError(
            f"{text!r} is neither a file nor a serial number in hexadecimal"
        ) from None


def _described(folder: PkiFolder, revoked: Revoked) -> dict[str, object]:
    name = folder.find(int(revoked.serial, 16)).name
    return {"name": name, **revoked.model_dump(mode="json")}


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))
