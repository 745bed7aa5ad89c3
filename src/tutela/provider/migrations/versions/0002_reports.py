"""Reports and their review, with the audit log.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "review_case",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("about", sa.String(255), nullable=True),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("damped", sa.Boolean(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("reporters", sa.Integer(), nullable=False),
        sa.Column("news", sa.Integer(), nullable=False),
        sa.Column("assignee", sa.String(64), nullable=True),
        sa.Column("assigned", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_case"),
    )
    op.create_index("ix_review_case_queue", "review_case", ["open", "urgency", "damped", "due", "id"])
    op.create_index("ix_review_case_about", "review_case", ["about", "open"])
    mine = ["assignee", "open", "urgency", "damped", "due", "id"]
    op.create_index("ix_review_case_assignee", "review_case", mine)
    op.create_table(
        "report",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("case", sa.BigInteger(), nullable=False),
        sa.Column("news", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(32), nullable=True),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("proofs", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("danger_now", sa.Boolean(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("bad_faith", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["review_case.id"], name="fk_report_case"),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
        sa.UniqueConstraint("reference", name="uq_report_reference"),
    )
    op.create_index("ix_report_account", "report", ["account", "received"])
    op.create_index("ix_report_case", "report", ["case"])
    op.create_index("ix_report_decision", "report", ["decision"])
    op.create_table(
        "report_message",
        sa.Column("report", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("room_id", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["report"], ["report.id"], name="fk_report_message_report"),
        sa.PrimaryKeyConstraint("report", "event_id", name="pk_report_message"),
    )
    op.create_index("ix_report_message_event_id", "report_message", ["event_id"])
    op.create_index("ix_report_message_room_id", "report_message", ["room_id"])
    op.create_table(
        "report_attachment",
        sa.Column("report", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("arrived", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["report"], ["report.id"], name="fk_report_attachment_report"),
        sa.PrimaryKeyConstraint("report", "sha256", name="pk_report_attachment"),
    )
    op.create_index("ix_report_attachment_sha256", "report_attachment", ["sha256"])
    op.create_table(
        "report_addition",
        sa.Column("report", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("danger_now", sa.Boolean(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["report"], ["report.id"], name="fk_report_addition_report"),
        sa.PrimaryKeyConstraint("report", "id", name="pk_report_addition"),
    )
    op.create_table(
        "review_decision",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("case", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("of", sa.String(32), nullable=True),
        sa.Column("actions", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("bad_faith", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("proposed_by", sa.String(64), nullable=False),
        sa.Column("proposed", sa.BigInteger(), nullable=False),
        sa.Column("settled_by", sa.String(64), nullable=True),
        sa.Column("settled", sa.BigInteger(), nullable=True),
        sa.Column("lapses", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["case"], ["review_case.id"], name="fk_review_decision_case"),
        sa.ForeignKeyConstraint(["of"], ["review_decision.id"], name="fk_review_decision_of"),
        sa.PrimaryKeyConstraint("id", name="pk_review_decision"),
    )
    op.create_index("ix_review_decision_case", "review_decision", ["case"])
    op.create_index("ix_review_decision_waiting", "review_decision", ["state", "lapses"])
    op.create_table(
        "review_appeal",
        sa.Column("decision", sa.String(32), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=True),
        sa.Column("stands", sa.Boolean(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.String(64), nullable=True),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["decision"], ["review_decision.id"], name="fk_review_appeal_decision"),
        sa.PrimaryKeyConstraint("decision", name="pk_review_appeal"),
        sa.UniqueConstraint("token", name="uq_review_appeal_token"),
    )
    op.create_index("ix_review_appeal_open", "review_appeal", ["answered", "received"])
    op.create_table(
        "review_note",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("case", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["review_case.id"], name="fk_review_note_case"),
        sa.PrimaryKeyConstraint("id", name="pk_review_note"),
    )
    op.create_index("ix_review_note_case", "review_note", ["case"])
    op.create_table(
        "review_action",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["decision"], ["review_decision.id"], name="fk_review_action_decision"),
        sa.PrimaryKeyConstraint("id", name="pk_review_action"),
        sa.UniqueConstraint("number", name="uq_review_action_number"),
    )
    op.create_index("ix_review_action_decision", "review_action", ["decision"])
    op.create_index("ix_review_action_waiting", "review_action", ["state", "after"])
    op.create_table(
        "audit_leaf",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("case", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_leaf"),
    )
    op.create_index("ix_audit_leaf_case", "audit_leaf", ["case"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )


def downgrade() -> None:
    for table in (
        "audit_head",
        "audit_leaf",
        "review_action",
        "review_note",
        "review_appeal",
        "review_decision",
        "report_addition",
        "report_attachment",
        "report_message",
        "report",
        "review_case",
        "counter",
    ):
        op.drop_table(table)
