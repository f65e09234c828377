"""The table that such systems have before lastword: four columns, a status of any text.

It is a revision of its own so that a database which has this table already can be taken over: it counts as
being here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "workflows",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("started_at", sa.DateTime),  # naive, and UTC by custom
    )


def downgrade() -> None:
    """Drop the table if it is empty. With rows in it, it stays: it may be older than lastword."""
    if op.get_bind().scalar(sa.select(sa.func.count()).select_from(sa.table("workflows"))) == 0:
        op.drop_table("workflows")
