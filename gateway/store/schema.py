"""The tables of the store, the same for every database behind it.

A change here needs a migration beside it and a new `SCHEMA_VERSION`.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    true,
)
from sqlalchemy.types import TypeDecorator

SCHEMA_VERSION = "0004"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcMicroseconds(TypeDecorator[datetime]):
    """A moment as microseconds since 1970 UTC: exact, and ordered alike in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Microseconds of an aware datetime; a naive one raises TypeError."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """The moment in UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class ChangeKind(StrEnum):
    """What a row of the change log is about; its key says which one."""

    AUTHORITY = "authority"
    MAILBOX = "mailbox"
    TOKEN_VALID_FROM = "token_valid_from"  # noqa: S105 (the field's name for a time, no secret)
    CERTIFICATE = "certificate"
    DEVICE = "device"  # its key: see `gateway.store.device_rows`
    DEVICE_RULE = "device_rule"
    STORE = "store"  # all of it, as after a restore; its key is empty


metadata = MetaData()

# SQLite counts up by itself only in a column that is declared INTEGER.
_RISING = BigInteger().with_variant(Integer, "sqlite")

# A CA is a name with a key; what its CRLs are is the same for all of its certificates.
authorities = Table(
    "authorities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("crl_distribution_point", Text),
    Column("delta_crl_distribution_point", Text),
    Column("backdating_seconds", Integer, nullable=False),
    Column("delta_required", Boolean, nullable=False, server_default=true()),
    Column("exempt", Boolean, nullable=False, server_default=false()),
)

authority_certificates = Table(
    "authority_certificates",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("authority_id", Text, ForeignKey("authorities.id", ondelete="CASCADE"), nullable=False),
    Column("authority_type", Integer, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Index("certificates_of_authority", "authority_id"),
)

authority_sources = Table(
    "authority_sources",
    metadata,
    Column(
        "authority_id", Text, ForeignKey("authorities.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("url", Text, primary_key=True),
    Column("signer", LargeBinary),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("upn", Text, nullable=False),
    Column("primary_address", Text),
    Column("proxy_addresses", Text, nullable=False),  # one a line
    Column("sam_account_name", Text),
    Column("netbios_domain", Text),
    Column("enabled", Boolean, nullable=False),
    Column("certificate_user_ids", Text, nullable=False, server_default=""),  # one a line
    Column("on_premises_upn", Text),
    Column("security_identifier", Text),
    Column("groups", Text, nullable=False, server_default=""),  # one a line
    Column("upstream", Text),
)

# Every address of a mailbox, folded: the key keeps an address from having two mailboxes, and the
# mailboxes themselves can be read without a join.
addresses = Table(
    "addresses",
    metadata,
    Column("address", Text, primary_key=True),
    Column("mailbox_key", Text, ForeignKey("mailboxes.key", ondelete="CASCADE"), nullable=False),
    Index("addresses_of_mailbox", "mailbox_key"),
)

# Likewise what else certificates may name a mailbox by. A digest, as PostgreSQL keeps nothing in
# an index that is as long as a value of certificateUserIds may be.
identifiers = Table(
    "identifiers",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("mailbox_key", Text, ForeignKey("mailboxes.key", ondelete="CASCADE"), nullable=False),
    Index("identifiers_of_mailbox", "mailbox_key"),
)

# No foreign key: a revocation outlives the removal of its mailbox, lest adding it again undo it.
token_valid_from = Table(
    "token_valid_from",
    metadata,
    Column("mailbox_key", Text, primary_key=True),
    Column("value", UtcMicroseconds, nullable=False),
    Column("change_id", BigInteger, nullable=False),
)

# Serial numbers have up to 20 octets (RFC 5280 section 4.1.2.2): too wide for a number here.
blocked_certificates = Table(
    "blocked_certificates",
    metadata,
    Column("issuer_id", Text, primary_key=True),
    Column("serial_number", Text, primary_key=True),
    Column("at", UtcMicroseconds, nullable=False),
)

seen_certificates = Table(
    "seen_certificates",
    metadata,
    Column("issuer_id", Text, primary_key=True),
    Column("serial_number", Text, primary_key=True),
    Column("mailbox_key", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("not_before", UtcMicroseconds, nullable=False),
    Column("not_after", UtcMicroseconds, nullable=False),
    Column("first_seen", UtcMicroseconds, nullable=False),
    Column("last_seen", UtcMicroseconds, nullable=False),
    Index("seen_certificates_of_mailbox", "mailbox_key"),
)

# No foreign key: a wiped device stays blocked when its mailbox is removed and added again.
devices = Table(
    "devices",
    metadata,
    Column("mailbox_key", Text, primary_key=True),
    Column("device_key", Text, primary_key=True),  # the DeviceId, folded
    Column("device_id", Text, nullable=False),
    Column("device_type", Text),
    Column("model", Text),
    Column("os", Text),
    Column("user_agent", Text),
    Column("protocol_version", Text),
    Column("policy_key", BigInteger),
    Column("issuer_id", Text),
    Column("serial_number", Text),
    Column("not_before", UtcMicroseconds),
    Column("first_seen", UtcMicroseconds, nullable=False),
    Column("last_seen", UtcMicroseconds, nullable=False),
    Column("access", Text),
    Column("wipe_state", Text, nullable=False, server_default="none"),
    Column("wipe_kind", Text, nullable=False, server_default="full"),
    Column("wipe_at", UtcMicroseconds),
    Index("devices_by_key", "device_key"),
)

device_rules = Table(
    "device_rules",
    metadata,
    Column("id", _RISING, primary_key=True, autoincrement=True),
    Column("characteristic", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("access", Text, nullable=False),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", _RISING, primary_key=True, autoincrement=True),
    Column("at", UtcMicroseconds, nullable=False),
    Column("mailbox_key", Text),
    Column("record", Text, nullable=False),
    Index("audit_at", "at"),
    sqlite_autoincrement=True,
)

# AUTOINCREMENT: an id is never given twice, not even after the last row was deleted.
changes = Table(
    "changes",
    metadata,
    Column("id", _RISING, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", UtcMicroseconds, nullable=False),
    sqlite_autoincrement=True,
)
