"""The server's certificate, judged as a phone does, with all that is wrong instead of the first."""

import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from gateway.core.unreadable import UNREADABLE
from gateway.probe.host_names import matches, server_names
from gateway.probe.step import Problem
from gateway.probe.target import Trust
from gateway.probe.words import issuer_of, listed, moment, name_of

_SOON: Final = timedelta(days=14)
_LONGEST: Final = timedelta(days=825)  # what Apple's platforms accept of any CA
_RSA_BITS: Final = 2048
_WEAK_DIGESTS: Final = ("md5", "sha1")
_NO_CHECK_TIME: Final = 0x200000  # openssl/x509_vfy.h; pyOpenSSL does not name it
_SELF_SIGNED: Final = frozenset({18})
_INCOMPLETE: Final = frozenset({2, 20, 21})


def chain_problems(
    chain: Sequence[x509.Certificate], host: str, trust: Trust, now: datetime
) -> Iterator[Problem]:
    """All that keeps a phone from this server, or soon will."""
    leaf = chain[0]
    yield from _host(leaf, host)
    for certificate in chain:
        yield from _validity(certificate, now, leaf=certificate is leaf)
    yield from _trusted(chain, trust, now)
    try:
        yield from _strength(leaf)
    except UNREADABLE as error:
        yield Problem(f"the server's certificate cannot be read: {error}", "issue a new one")


def _host(leaf: x509.Certificate, host: str) -> Iterator[Problem]:
    names = server_names(leaf)
    if any(matches(host, name) for name in names):
        return
    cause = f"the server's certificate is not for {host}, but for {listed(names) or 'no name'}"
    advice = f"issue a server certificate with {host} in its SAN, or write one of its names"
    yield Problem(cause, f"{advice} into the profile")


def _validity(certificate: x509.Certificate, now: datetime, *, leaf: bool) -> Iterator[Problem]:
    what = "the server's certificate" if leaf else f"the CA certificate {name_of(certificate)}"
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        yield Problem(f"{what} expired at {moment(ends)}", "renew it on the server")
    elif now < begins:
        cause = f"{what} is valid only from {moment(begins)}"
        yield Problem(cause, f"set the clock, if it is wrong (here it is {moment(now)}), or wait")
    elif leaf and ends - now < _SOON:
        yield Problem(f"{what} expires soon, at {moment(ends)}", "renew it", fatal=False)
    if leaf and ends - begins > _LONGEST:
        cause = f"{what} is valid for {(ends - begins).days} days, and Apple's devices take 825"
        yield Problem(cause, "issue one for 398 days or less", fatal=False)


def _trusted(chain: Sequence[x509.Certificate], trust: Trust, now: datetime) -> Iterator[Problem]:
    store = crypto.X509Store()
    for authority in trust.authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))
    if trust.system:
        paths = ssl.get_default_verify_paths()
        if paths.cafile or paths.capath:
            store.load_locations(paths.cafile, paths.capath)
    store.set_time(now)
    store.set_flags(_NO_CHECK_TIME)  # validity has been looked at
    leaf, *others = (crypto.X509.from_cryptography(one) for one in chain)
    try:
        crypto.X509StoreContext(store, leaf, others).verify_certificate()
    except crypto.X509StoreContextError as error:
        yield _untrusted(chain, trust, error)


def _untrusted(
    chain: Sequence[x509.Certificate], trust: Trust, error: crypto.X509StoreContextError
) -> Problem:
    code, _, words = error.errors
    known = "the system's CAs" if trust.system else "the CAs of --ca"
    if code in _SELF_SIGNED:
        cause = "the server's certificate is self-signed, and no phone knows it"
        return Problem(cause, "issue one from a CA that the phones trust")
    last = chain[-1]
    if code in _INCOMPLETE:
        cause = f"the server's certificate does not lead to a known CA: {issuer_of(last)}"
        alone = " and sends no intermediate along" if len(chain) == 1 else ""
        advice = (
            "send the intermediates along, or put the root into the profile"
            " (here: --ca FILE, if it is a CA of your own)"
        )
        return Problem(f"{cause} is not among {known}{alone}", advice)
    cause = f"the server's chain is not to be trusted by {known}: {words}"
    return Problem(cause, "put its root into the profile (here: --ca FILE), or correct the chain")


def _strength(leaf: x509.Certificate) -> Iterator[Problem]:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
        cause = f"the server's RSA key has {key.key_size} bits, and phones ask for {_RSA_BITS}"
        yield Problem(cause, "issue a certificate for a longer key")
    digest = leaf.signature_hash_algorithm
    if digest is not None and digest.name in _WEAK_DIGESTS:
        cause = f"the server's certificate is signed with {digest.name.upper()}; phones refuse it"
        yield Problem(cause, "issue one that is signed with SHA-256")
    for extension in leaf.extensions:
        usage = extension.value
        if (
            isinstance(usage, x509.ExtendedKeyUsage)
            and ExtendedKeyUsageOID.SERVER_AUTH not in usage
        ):
            cause = "the server's certificate is not for servers: its EKU lacks serverAuth"
            yield Problem(cause, "issue one from a template for web servers")
