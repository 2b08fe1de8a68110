"""A CA may have several certificates and further CRL sources, and be exempt."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Move each authority's certificate to a table of its own."""
    op.create_table(
        "authority_certificates",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        _authority_id(nullable=False),
        sa.Column("authority_type", sa.Integer, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
    )
    op.create_index("certificates_of_authority", "authority_certificates", ["authority_id"])
    op.create_table(
        "authority_sources",
        _authority_id(primary_key=True),
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("signer", sa.LargeBinary),
    )
    _move_certificates()
    op.drop_column("authorities", "authority_type")
    op.drop_column("authorities", "certificate")
    for name, default in (("delta_required", sa.true()), ("exempt", sa.false())):
        column = sa.Column(name, sa.Boolean, nullable=False, server_default=default)
        op.add_column("authorities", column)


def _authority_id(*, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
    owner = sa.ForeignKey("authorities.id", ondelete="CASCADE")
    return sa.Column("authority_id", sa.Text, owner, nullable=nullable, primary_key=primary_key)


def _move_certificates() -> None:
    connection = op.get_bind()
    columns = ("fingerprint", "authority_id", "authority_type", "certificate")
    target = sa.table("authority_certificates", *map(sa.column, columns))
    source = sa.table("authorities", *map(sa.column, ("id", *columns[2:])))
    for row in connection.execute(sa.select(source)).all():
        values = (sha256(row.certificate).hexdigest(), row.id, row.authority_type, row.certificate)
        connection.execute(sa.insert(target).values(dict(zip(columns, values, strict=True))))
