"""TLS contexts for the listener: which certificates are demanded and who may have signed them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto

from gateway.core.authority import Authority, AuthorityType
from gateway.errors import CertificateError
from gateway.limited_file import read_limited

ClientCertificates = Literal["require", "request"]
"""Whether a client must have a certificate, or may have none."""

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
# Forward secrecy and authenticated encryption alone; level 2 refuses RSA below 2048 bits and SHA-1.
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:@SECLEVEL=2"
)
_FILE_LIMIT = 1024 * 1024
_HTTP = b"http/1.1"
_SESSIONS = b"eas-gateway"


@dataclass(frozen=True, slots=True)
class VerificationFailure:
    """Why OpenSSL refused a client's chain.

    Attributes:
        error: X509_V_ERR_* (openssl/x509_vfy.h).
        depth: which certificate of the chain, 0 for the device's own.
    """

    error: int
    depth: int


VERIFIED: Final = object()
"""On a connection whose handshake verified the client's chain."""


class ServerIdentity:
    """The listener's own certificate chain and key, read and found to belong together."""

    def __init__(self, certificate: Path, private_key: Path) -> None:
        """Read both PEM files; raises CertificateError that names the file at fault."""
        pem = _content("listen.certificate", certificate)
        try:
            self.chain = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise CertificateError(f"listen.certificate: {certificate}: {error}") from error
        pem = _content("listen.private_key", private_key)
        try:
            self.key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise CertificateError(f"listen.private_key: {private_key}: {error}") from error
        if self.key.public_key() != self.chain[0].public_key():
            raise CertificateError(
                f"listen.private_key: {private_key} is not the key of {certificate}"
            )
        self._names = _dns_names(self.chain[0])

    def is_for(self, name: str) -> bool:
        """Whether the certificate has this name, lower-case, or a wildcard for it (RFC 9525)."""
        return name in self._names or f"*.{name.partition('.')[2]}" in self._names


def _content(key: str, path: Path) -> bytes:
    try:
        return read_limited(path, _FILE_LIMIT, CertificateError)
    except CertificateError as error:
        raise CertificateError(f"{key}: {error}") from error


def _dns_names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(name.lower() for name in found.value.get_values_for_type(x509.DNSName))


def server_context(
    identity: ServerIdentity,
    authorities: Iterable[Authority],
    *,
    minimum_version: Literal["1.2", "1.3"],
    ticket_lifetime: timedelta = timedelta(0),
    client_certificate: ClientCertificates = "require",
) -> SSL.Context:
    """A context that asks for a client certificate of one of `authorities`.

    With "request" a client that has none is let through, too; one with another never is.

    OpenSSL checks chain, validity, key usage and extended key usage; revocation is decided for each
    request elsewhere. The roots and intermediates are named in the certificate request (RFC 8446
    section 4.2.4), so that a phone offers the right certificate. Tickets, if they have a lifetime,
    hold the whole session (RFC 5077, RFC 8446 section 4.6.1); no session is kept here, and no data
    is taken before the handshake has ended.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[minimum_version])
    context.set_cipher_list(_CIPHERS)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    if ticket_lifetime:
        context.set_session_id(_SESSIONS)  # OpenSSL resumes no session with a certificate without
        context.set_timeout(math.ceil(ticket_lifetime.total_seconds()))
    else:
        context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    _present(context, identity)
    _ask_for_one_of(context, tuple(authorities), client_certificate)
    context.set_alpn_select_callback(_select_http)
    return context


def _present(context: SSL.Context, identity: ServerIdentity) -> None:
    leaf, *rest = identity.chain
    try:
        context.use_certificate(leaf)
        context.use_privatekey(identity.key)  # type: ignore[arg-type]  # a PEM key of a kind TLS lacks
        for certificate in rest:
            context.add_extra_chain_cert(certificate)
        context.check_privatekey()
    except (SSL.Error, TypeError) as error:
        raise CertificateError(f"listen.certificate: TLS cannot use it: {error}") from error


def _ask_for_one_of(
    context: SSL.Context, authorities: tuple[Authority, ...], wanted: ClientCertificates
) -> None:
    store = context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    for authority in authorities:
        certificate = x509.load_der_x509_certificate(authority.certificate)
        store.add_cert(crypto.X509.from_cryptography(certificate))
        context.add_client_ca(certificate)
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if wanted == "require" else 0)
    context.set_verify(mode, _remember)


def _remember(
    connection: SSL.Connection, _certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """Keep the outcome on the connection: the alert does not tell the first error that there was.

    OpenSSL looks at the device's own certificate last; it does not at all when a ticket resumes.
    """
    if not ok:
        if connection.get_app_data() is None:
            connection.set_app_data(VerificationFailure(error, depth))
    elif depth == 0 and connection.get_app_data() is None:
        connection.set_app_data(VERIFIED)
    return bool(ok)


def _select_http(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """HTTP/1.1 where it is offered; else no ALPN at all (RFC 7301 section 3.2)."""
    if _HTTP in offered:
        return _HTTP
    return SSL.NO_OVERLAPPING_PROTOCOLS  # type: ignore[return-value]  # a sentinel, not bytes


def root_count(authorities: Iterable[Authority]) -> int:
    """How many of `authorities` are roots; without one no chain can end."""
    return sum(1 for a in authorities if a.authority_type is AuthorityType.ROOT)
