"""The certificates of a new development PKI: what each file is called and what is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import Identity

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
ALICE = "alice@example.test"
BOB = "bob@example.test"


@dataclass(frozen=True)
class Development:
    """A PKI that exists in memory alone; the names in `devices` are file names without suffix."""

    root: CertificateAuthority
    issuing: CertificateAuthority
    foreign_root: CertificateAuthority
    server: Identity
    devices: Mapping[str, Identity]


def create(hosts: Sequence[str], now: datetime) -> Development:
    """A new PKI whose server certificate is for this machine and `hosts`, valid from `now`."""
    root = CertificateAuthority.root("Development root", not_before=now)
    issuing = root.intermediate("Development issuing CA", path_length=0, not_before=now)
    foreign_root = CertificateAuthority.root("Foreign root", not_before=now)
    return Development(
        root=root,
        issuing=issuing,
        foreign_root=foreign_root,
        server=issuing.issue_server(*LOCAL_HOSTS, *hosts, not_before=now),
        devices={
            **_usable(issuing, now),
            **_unusable(issuing, now),
            "foreign": foreign_root.issue_device(upn=ALICE, email=ALICE, not_before=now),
        },
    )


def _usable(issuing: CertificateAuthority, now: datetime) -> dict[str, Identity]:
    return {
        "alice": issuing.issue_device(upn=ALICE, email=ALICE, not_before=now),
        "bob": issuing.issue_device(upn=BOB, email=BOB, not_before=now),
        "upn-only": issuing.issue_device(upn=ALICE, not_before=now),
        "email-only": issuing.issue_device(email=ALICE, not_before=now),
    }


def _unusable(issuing: CertificateAuthority, now: datetime) -> dict[str, Identity]:
    day = timedelta(days=1)
    return {
        "no-san": issuing.issue_device(common_name=ALICE, not_before=now),
        "wrong-eku": issuing.issue_device(
            upn=ALICE,
            email=ALICE,
            extended_key_usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            not_before=now,
        ),
        "expired": issuing.issue_device(
            upn=ALICE, email=ALICE, not_before=now - 30 * day, not_after=now - day
        ),
        "not-yet-valid": issuing.issue_device(
            upn=ALICE, email=ALICE, not_before=now + 1095 * day, not_after=now + 1460 * day
        ),
    }
