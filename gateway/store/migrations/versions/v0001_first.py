"""The first schema: authorities, mailboxes, token-valid-from, certificates, audit, changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_RISING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create every table in an empty database."""
    _authorities()
    _mailboxes()
    _certificates()
    _logs()


def _authorities() -> None:
    op.create_table(
        "authorities",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("authority_type", sa.Integer, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("crl_distribution_point", sa.Text),
        sa.Column("delta_crl_distribution_point", sa.Text),
        sa.Column("backdating_seconds", sa.Integer, nullable=False),
    )


def _mailboxes() -> None:
    op.create_table(
        "mailboxes",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("upn", sa.Text, nullable=False),
        sa.Column("primary_address", sa.Text),
        sa.Column("proxy_addresses", sa.Text, nullable=False),
        sa.Column("sam_account_name", sa.Text),
        sa.Column("netbios_domain", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "addresses",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column(
            "mailbox_key",
            sa.Text,
            sa.ForeignKey("mailboxes.key", ondelete="CASCADE"),
            nullable=False,
        ),
    )
    op.create_index("addresses_of_mailbox", "addresses", ["mailbox_key"])
    op.create_table(
        "token_valid_from",
        sa.Column("mailbox_key", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("change_id", sa.BigInteger, nullable=False),
    )


def _certificates() -> None:
    op.create_table(
        "blocked_certificates",
        sa.Column("issuer_id", sa.Text, primary_key=True),
        sa.Column("serial_number", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "seen_certificates",
        sa.Column("issuer_id", sa.Text, primary_key=True),
        sa.Column("serial_number", sa.Text, primary_key=True),
        sa.Column("mailbox_key", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
    op.create_index("seen_certificates_of_mailbox", "seen_certificates", ["mailbox_key"])


def _logs() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _RISING, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("mailbox_key", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_at", "audit", ["at"])
    op.create_table(
        "changes",
        sa.Column("id", _RISING, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
