"""The first tables: epochs, segments, keys, sessions, spent tokens, allowances.

Revision: 0001, after nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "epoch",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_epoch"),
    )
    op.create_table(
        "segment",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_segment"),
    )
    op.create_table(
        "epoch_segment",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["epoch"], ["epoch.number"], name="fk_epoch_segment_epoch"),
        sa.ForeignKeyConstraint(["segment"], ["segment.digest"], name="fk_epoch_segment_segment"),
        sa.PrimaryKeyConstraint("epoch", "segment", name="pk_epoch_segment"),
    )
    op.create_index("ix_epoch_segment_segment", "epoch_segment", ["segment"])
    op.create_table(
        "oprf_key",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("retires", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oprf_key"),
    )
    op.create_table(
        "session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_account", "session", ["account"])
    op.create_index("ix_session_expires", "session", ["expires"])
    op.create_table(
        "spent_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("forget", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_token"),
    )
    op.create_index("ix_spent_token_forget", "spent_token", ["forget"])
    op.create_table(
        "allowance",
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("whole", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_allowance"),
    )
    op.create_index("ix_allowance_whole", "allowance", ["whole"])


def downgrade() -> None:
    for table in ("allowance", "spent_token", "session", "oprf_key", "epoch_segment", "segment", "epoch"):
        op.drop_table(table)
