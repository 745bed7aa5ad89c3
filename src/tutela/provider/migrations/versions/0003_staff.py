"""Those who review: passkeys, sessions, exposure, second reviews.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("organisation", sa.String(120), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("dismissed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff"),
    )
    op.create_table(
        "staff_invitation",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_staff_invitation_staff"),
        sa.PrimaryKeyConstraint("digest", name="pk_staff_invitation"),
    )
    op.create_index("ix_staff_invitation_staff", "staff_invitation", ["staff"])
    op.create_table(
        "staff_passkey",
        sa.Column("id", sa.String(1400), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_staff_passkey_staff"),
        sa.PrimaryKeyConstraint("id", name="pk_staff_passkey"),
    )
    op.create_index("ix_staff_passkey_staff", "staff_passkey", ["staff"])
    op.create_table(
        "staff_session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_staff_session_staff"),
        sa.PrimaryKeyConstraint("digest", name="pk_staff_session"),
    )
    op.create_index("ix_staff_session_staff", "staff_session", ["staff"])
    op.create_table(
        "staff_challenge",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(255), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_staff_challenge"),
    )
    op.create_index("ix_staff_challenge_expires", "staff_challenge", ["expires"])
    op.create_table(
        "review_exposure",
        sa.Column("staff", sa.String(64), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("views", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("since_break", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name="fk_review_exposure_staff"),
        sa.PrimaryKeyConstraint("staff", "day", name="pk_review_exposure"),
    )
    op.create_table(
        "review_sample",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("case", sa.BigInteger(), nullable=False),
        sa.Column("golden", sa.Boolean(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("drawn", sa.BigInteger(), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=True),
        sa.Column("given", sa.Text(), nullable=True),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["review_case.id"], name="fk_review_sample_case"),
        sa.PrimaryKeyConstraint("id", name="pk_review_sample"),
    )
    op.create_index("ix_review_sample_case", "review_sample", ["case"])
    op.create_index("ix_review_sample_answered", "review_sample", ["answered"])


def downgrade() -> None:
    for table in (
        "review_sample",
        "review_exposure",
        "staff_challenge",
        "staff_session",
        "staff_passkey",
        "staff_invitation",
        "staff",
    ):
        op.drop_table(table)
