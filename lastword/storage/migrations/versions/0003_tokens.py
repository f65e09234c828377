"""Bearer tokens: who may use the HTTP API. A token is kept as its digest, and a revoked one stays as a row.

Taken back, the tokens are lost; those of the settings go on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    key = sa.Text(collation="C") if op.get_bind().dialect.name == "postgresql" else sa.Text()
    at = sa.DateTime(timezone=True)
    op.create_table(
        "tokens",
        sa.Column("id", key, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", at, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_at", at),
        sa.Column("revoked_at", at),
        sa.Column("revoked_by", sa.Text),
        sa.Column("last_used_at", at),
        sa.PrimaryKeyConstraint("id", name="tokens_key"),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name="tokens_role_is_known"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("tokens")
