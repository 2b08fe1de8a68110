"""A mailbox may have certificateUserIds, an on-premises UPN and a SID."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the attributes, and the table that keeps each of them to one mailbox."""
    ids = sa.Column("certificate_user_ids", sa.Text, nullable=False, server_default="")
    op.add_column("mailboxes", ids)
    for name in ("on_premises_upn", "security_identifier"):
        op.add_column("mailboxes", sa.Column(name, sa.Text))
    owner = sa.ForeignKey("mailboxes.key", ondelete="CASCADE")
    op.create_table(
        "identifiers",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("mailbox_key", sa.Text, owner, nullable=False),
    )
    op.create_index("identifiers_of_mailbox", "identifiers", ["mailbox_key"])
