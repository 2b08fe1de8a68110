"""The partnerships of devices and the rules for them; a mailbox has groups and an upstream."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_RISING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add both tables, and the two attributes of mailboxes."""
    op.add_column("mailboxes", sa.Column("groups", sa.Text, nullable=False, server_default=""))
    op.add_column("mailboxes", sa.Column("upstream", sa.Text))
    op.create_table(
        "device_rules",
        sa.Column("id", _RISING, primary_key=True, autoincrement=True),
        sa.Column("characteristic", sa.Text, nullable=False),
        sa.Column("pattern", sa.Text, nullable=False),
        sa.Column("access", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    _devices()


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("mailbox_key", sa.Text, primary_key=True),
        sa.Column("device_key", sa.Text, primary_key=True),
        sa.Column("device_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("device_type", "model", "os")),
        *(sa.Column(name, sa.Text) for name in ("user_agent", "protocol_version")),
        sa.Column("policy_key", sa.BigInteger),
        *(sa.Column(name, sa.Text) for name in ("issuer_id", "serial_number")),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("access", sa.Text),
        sa.Column("wipe_state", sa.Text, nullable=False, server_default="none"),
        sa.Column("wipe_kind", sa.Text, nullable=False, server_default="full"),
        sa.Column("wipe_at", sa.BigInteger),
    )
    op.create_index("devices_by_key", "devices", ["device_key"])
