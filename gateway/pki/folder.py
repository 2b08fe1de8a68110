"""A development PKI in a folder: made, opened under a lock, and changed file by whole file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, Unpack

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from pydantic import ValidationError

from gateway.errors import CertificateError
from gateway.limited_file import read_limited
from gateway.pki import crl, development
from gateway.pki.authority import CertificateAuthority, DeviceOptions
from gateway.pki.files import install, locked, make_directory
from gateway.pki.identity import Identity, PrivateKey
from gateway.pki.state import REASONS, CaName, Issued, Revoked, State, issued

STATE_FILE = "pki.json"

_FILE_LIMIT = 1024 * 1024


class PkiFolder:
    """An opened PKI; every change is on the disk, state and CRLs included, when a method returns.

    A class-level constructor makes or opens it; nobody else changes it while it is open.
    """

    def __init__(
        self,
        directory: Path,
        root: CertificateAuthority,
        issuing: CertificateAuthority,
        state: State,
    ) -> None:
        self.directory = directory
        self.root = root
        self.issuing = issuing
        self.state = state

    @classmethod
    def create(
        cls, directory: Path, *, hosts: Sequence[str] = (), now: datetime | None = None
    ) -> Self:
        """Make a PKI in `directory`, with the files that `certs/README.md` lists.

        Raises:
            CertificateError: if one of its files is there already, if one of `hosts` is no host
                name, or if `directory` cannot be written.
        """
        moment = now or crl.now()
        made = development.create(hosts, moment)
        state = _first_state(made)
        folder = cls(directory, made.root, made.issuing, state)
        contents = {
            "foreign-root.pem": made.foreign_root.certificate_pem,
            "root.key": made.root.key_pem,
            "root.pem": made.root.certificate_pem,
            "issuing.key": made.issuing.key_pem,
            "issuing.pem": made.issuing.certificate_pem,
        }
        for name, identity in {"server": made.server, **made.devices}.items():
            contents |= _pair(name, identity)
        contents |= folder._signed(state, moment, moment + crl.LIFETIME)
        # The state comes last: without it nobody takes a folder for a PKI.
        contents[STATE_FILE] = _json(state)
        make_directory(directory)
        with locked(directory):
            _refuse_existing(directory, contents)
            install(directory, contents)
        return folder

    @classmethod
    @contextmanager
    def open(cls, directory: Path) -> Iterator[Self]:
        """The PKI in `directory`, locked against other processes until the context ends.

        Raises:
            CertificateError: if there is none, or one of its files cannot be read.
        """
        if not is_pki(directory):
            raise CertificateError(
                f"no PKI in {directory}: {STATE_FILE} is missing; make one with"
                f" 'eas-gateway pki init --directory {directory}'"
            )
        with locked(directory):
            root = _load_authority(directory, "root")
            issuing = _load_authority(directory, "issuing")
            issuing = replace(issuing, chain=(issuing.certificate,))
            yield cls(directory, root, issuing, _load_state(directory / STATE_FILE))

    def issue(
        self,
        name: str,
        *,
        upn: str | None = None,
        email: str | None = None,
        pkcs12_password: bytes | None = None,
        **options: Unpack[DeviceOptions],
    ) -> Identity:
        """Issue a device certificate as `name`.pem and `name`.key.

        With `pkcs12_password` there is a `name`.p12 that it opens, too.

        Raises:
            CertificateError: if one of those files is there, or `email` is no RFC822 name.
        """
        identity = self.issuing.issue_device(upn=upn, email=email, **options)
        contents = _pair(name, identity)
        if pkcs12_password is not None:
            contents[f"{name}.p12"] = identity.pkcs12(name=name, password=pkcs12_password)
        _refuse_existing(self.directory, contents)
        self._keep(self.state.with_issued(issued(name, "issuing", identity.certificate)), contents)
        return identity

    def revoke(
        self, serial_number: int, *, reason: str | None = None, now: datetime | None = None
    ) -> Revoked:
        """Mark a certificate of this PKI revoked and sign fresh CRLs.

        One that is revoked already stays as it is, and its first revocation is the answer.

        Raises:
            CertificateError: if no certificate with this serial number was issued here, or
                `reason` is not one of `REASONS`.
        """
        if reason is not None and reason not in REASONS:
            raise CertificateError(f"{reason!r} is no reason to revoke; use one of {[*REASONS]}")
        found = self.find(serial_number)
        if (earlier := self.state.find_revoked(serial_number)) is not None:
            return earlier
        moment = now or crl.now()
        revoked = Revoked(
            serial=found.serial, issuer=found.issuer, revocation_date=moment, reason=reason
        )
        state = self.state.with_revoked(revoked).with_next_crl()
        self._keep(state, self._signed(state, moment, moment + crl.LIFETIME))
        return revoked

    def sign_crls(
        self, *, this_update: datetime | None = None, lifetime: timedelta = crl.LIFETIME
    ) -> int:
        """Sign root.crl and issuing.crl anew; the answer is their CRL number, one above the last.

        They say what is revoked from `this_update`, now unless given, until `lifetime` later.
        """
        moment = this_update or crl.now()
        state = self.state.with_next_crl()
        self._keep(state, self._signed(state, moment, moment + lifetime))
        return state.crl_number

    def find(self, serial_number: int) -> Issued:
        """What is remembered of a certificate of this PKI.

        Raises:
            CertificateError: if it was not issued here.
        """
        found = self.state.find_issued(serial_number)
        if found is None:
            raise CertificateError(
                f"no certificate with serial number {serial_number:x} (hexadecimal) was issued"
                f" from {self.directory}"
            )
        return found

    def _keep(self, state: State, contents: Mapping[str, bytes]) -> None:
        # The state goes first: a certificate that nobody remembers could not be revoked.
        install(self.directory, {STATE_FILE: _json(state), **contents})
        self.state = state

    def _signed(
        self, state: State, this_update: datetime, next_update: datetime
    ) -> dict[str, bytes]:
        authorities: dict[CaName, CertificateAuthority] = {
            "root": self.root,
            "issuing": self.issuing,
        }
        return {
            f"{name}.crl": authority.sign_crl(
                [one.entry() for one in state.revoked if one.issuer == name],
                this_update=this_update,
                next_update=next_update,
                number=state.crl_number,
            ).public_bytes(Encoding.DER)
            for name, authority in authorities.items()
        }


def is_pki(directory: Path) -> bool:
    """Whether there is a whole PKI in `directory`."""
    return (directory / STATE_FILE).is_file()


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, the first one first; there is at least one.

    Raises:
        CertificateError: if the file cannot be read or holds no certificate.
    """
    content = read_limited(path, _FILE_LIMIT, CertificateError)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CertificateError(f"{path}: holds no PEM certificate: {error}") from error


def _first_state(made: development.Development) -> State:
    ours = {name: one for name, one in made.devices.items() if name != "foreign"}
    return State().with_issued(
        issued("issuing", "root", made.issuing.certificate),
        *(
            issued(name, "issuing", one.certificate)
            for name, one in {"server": made.server, **ours}.items()
        ),
    )


def _json(state: State) -> bytes:
    return state.model_dump_json(indent=2).encode() + b"\n"


def _pair(name: str, identity: Identity) -> dict[str, bytes]:
    return {f"{name}.key": identity.key_pem, f"{name}.pem": identity.certificate_pem}


def _refuse_existing(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        if (directory / name).exists():
            raise CertificateError(
                f"{directory / name} is there already and is not overwritten:"
                " move it away, or choose another name or directory"
            )


def _load_authority(directory: Path, name: CaName) -> CertificateAuthority:
    certificate = read_certificates(directory / f"{name}.pem")[0]
    path = directory / f"{name}.key"
    content = read_limited(path, _FILE_LIMIT, CertificateError)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{path}: holds no private key: {error}") from error
    if not isinstance(key, PrivateKey) or key.public_key() != certificate.public_key():
        raise CertificateError(f"{path} is not the key of {directory / name}.pem")
    return CertificateAuthority(certificate, key)


def _load_state(path: Path) -> State:
    try:
        return State.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(one) for one in first["loc"]) or "JSON"
        raise CertificateError(f"{path} is damaged at {key}: {first['msg']}") from error
