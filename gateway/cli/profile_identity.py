"""Which identity a phone is to have: the options of `profile apple`, and what follows from them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import hexdigits
from typing import Any, TypedDict, TypeVar

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.ca_input import HttpUrl
from gateway.cli.chain import read_certificates
from gateway.cli.profile_input import File, read_key, read_pkcs12, read_secret
from gateway.core.certificate import ClientCertificate
from gateway.errors import ProfileError
from gateway.profiles.apple import AcmeIdentity, Owner, PhoneIdentity, Pkcs12Identity, ScepIdentity
from gateway.profiles.pkcs12 import pack, unpack

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PASSWORD = "--p12-password-file"  # noqa: S105 (the option's name)
_SHA256_HEX = 64
_SHA1_HEX = 40


class IdentityOptions(TypedDict):
    """The options that `identity_options` adds, and the names of the owner."""

    email: str | None
    upn: str | None
    p12: Path | None
    p12_password_file: Path | None
    embed_password: bool
    certificate: Path | None
    key: Path | None
    modern: bool
    scep_url: str | None
    scep_challenge_file: Path | None
    scep_name: str | None
    scep_fingerprint: str | None
    key_size: str
    acme_url: str | None
    acme_client_id: str | None
    hardware_bound: bool
    attest: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """The identity with its owner's names; `generated` is a new password to be shown once."""

    identity: PhoneIdentity
    email: str
    upn: str | None
    generated: str | None = field(default=None, repr=False)


def identity_options(function: _Function) -> _Function:
    """Add the options that choose the identity."""
    options = (
        click.option("--p12", type=File, metavar="FILE", help="An identity as PKCS#12."),
        click.option("--certificate", type=File, metavar="FILE", help="Its certificate and chain."),
        click.option("--key", type=File, metavar="FILE", help="Its key, unencrypted."),
        click.option(_PASSWORD, type=File, metavar="FILE", help="The password of the PKCS#12."),
        click.option(
            "--embed-password",
            is_flag=True,
            help="Put the password into the profile: for delivery by device management alone.",
        ),
        click.option(
            "--aes/--3des",
            "modern",
            default=False,
            help="How --certificate and --key are encrypted; 3DES, which every iOS reads.",
        ),
        click.option("--scep-url", type=HttpUrl(), metavar="URL", help="Ask this SCEP server."),
        click.option("--scep-challenge-file", type=File, metavar="FILE", help="Its challenge."),
        click.option("--scep-name", metavar="TEXT", help="The CA's name at that server."),
        click.option("--scep-fingerprint", metavar="HEX", help="Of its CA: SHA-256 or SHA-1."),
        click.option(
            "--key-size",
            type=click.Choice(("2048", "4096")),
            default="2048",
            show_default=True,
            help="Bits of the RSA key that SCEP certifies.",
        ),
        click.option("--acme-url", type=HttpUrl(), metavar="URL", help="Ask this ACME directory."),
        click.option("--acme-client-id", metavar="TEXT", help="What it knows the device by."),
        click.option(
            "--hardware-bound/--no-hardware-bound",
            default=True,
            help="Whether ACME's key is made in the Secure Enclave; it is.",
        ),
        click.option("--attest", is_flag=True, help="The device proves what it is to ACME."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def prepare(options: IdentityOptions) -> Prepared:
    """The identity that the options choose; a usage error unless they choose just one.

    Raises ProfileError or CertificateError if a file is not what its option needs.
    """
    if (options["certificate"] is None) != (options["key"] is None):
        raise click.UsageError("--certificate and --key are given together or not at all")
    ways = {
        _given: options["p12"],
        _packed: options["certificate"],
        _requested: options["scep_url"] or options["acme_url"],
    }
    chosen = [way for way, option in ways.items() if option is not None]
    if len(chosen) != 1 or (options["scep_url"] and options["acme_url"]):
        raise click.UsageError(
            "say which identity the phone gets, just one of --p12, --certificate with --key,"
            " --scep-url, --acme-url"
        )
    return chosen[0](options)


def _given(options: IdentityOptions) -> Prepared:
    path, password_file = options["p12"], options["p12_password_file"]
    if path is None or password_file is None:
        raise click.UsageError(f"--p12 needs {_PASSWORD}: it is opened to see that the phone can")
    content, password = read_pkcs12(path), read_secret(password_file, _PASSWORD)
    try:
        opened = unpack(content, password)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from error
    if not opened.has_key:
        raise ProfileError(f"{path}: holds no private key, so that nobody can sign in with it")
    identity = Pkcs12Identity(content, password if options["embed_password"] else None)
    return Prepared(identity, *_owner(options, opened.certificate))


def _packed(options: IdentityOptions) -> Prepared:
    if options["certificate"] is None or options["key"] is None:
        raise click.UsageError("--certificate and --key are given together")
    leaf, *chain = read_certificates(options["certificate"])
    key, password_file = read_key(options["key"], "--key"), options["p12_password_file"]
    given = None if password_file is None else read_secret(password_file, _PASSWORD)
    password = given or secrets.token_urlsafe(18)
    content = pack(leaf, key, chain, password, modern=options["modern"])
    embedded = options["embed_password"]
    identity = Pkcs12Identity(content, password if embedded else None)
    return Prepared(identity, *_owner(options, leaf), None if embedded or given else password)


def _requested(options: IdentityOptions) -> Prepared:
    email, upn = options["email"], options["upn"]
    if email is None:
        raise click.UsageError("--email says whose certificate the phone asks for")
    owner = Owner(upn or email, upn, email)
    identity = _scep(options, owner) if options["scep_url"] else _acme(options, owner)
    return Prepared(identity, email, upn)


def _scep(options: IdentityOptions, owner: Owner) -> ScepIdentity:
    challenge, fingerprint = options["scep_challenge_file"], options["scep_fingerprint"]
    return ScepIdentity(
        options["scep_url"] or "",
        owner,
        challenge=None if challenge is None else read_secret(challenge, "--scep-challenge-file"),
        name=options["scep_name"],
        ca_fingerprint=None if fingerprint is None else _fingerprint(fingerprint),
        key_size=int(options["key_size"]),
    )


def _acme(options: IdentityOptions, owner: Owner) -> AcmeIdentity:
    if not options["acme_client_id"]:
        raise click.UsageError("--acme-url needs --acme-client-id")
    if options["attest"] and not options["hardware_bound"]:
        raise click.UsageError("--attest needs a key that is --hardware-bound")
    return AcmeIdentity(
        options["acme_url"] or "",
        options["acme_client_id"],
        owner,
        hardware_bound=options["hardware_bound"],
        attest=options["attest"],
    )


def _owner(options: IdentityOptions, leaf: x509.Certificate) -> tuple[str, str | None]:
    """Address and UPN: as the options say, else as the certificate does."""
    names = ClientCertificate.from_der(leaf.public_bytes(Encoding.DER))
    email = options["email"] or _first([one.value for one in names.rfc822_names])
    upn = options["upn"] or _first([one.value for one in names.principal_names])
    email = email or upn
    if email is None:
        raise ProfileError("the certificate names neither UPN nor address: no phone gets in by it")
    return email, upn


def _first(values: Sequence[str]) -> str | None:
    return values[0] if values else None


def _fingerprint(text: str) -> bytes:
    digits = text.replace(":", "").replace(" ", "")
    if len(digits) not in {_SHA1_HEX, _SHA256_HEX} or set(digits) - set(hexdigits):
        raise click.UsageError("--scep-fingerprint is no SHA-256 or SHA-1: 64 or 40 digits")
    return bytes.fromhex(digits)
