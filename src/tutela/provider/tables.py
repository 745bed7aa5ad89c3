"""The tables. Times are whole milliseconds since 1970, UTC; digests are SHA-256 in hexadecimal.

There is no table, and no column, for anything that was checked.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the tables. Constraints have names, so that migrations can change them on every database."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


class Epoch(Base):
    """A published manifest, in its envelope."""

    __tablename__ = "epoch"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    """Of the manifest's payload."""
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    tag: Mapped[str] = mapped_column(String(64))
    """Of the envelope: it changes when a signature is added."""
    published: Mapped[int] = mapped_column(BigInteger)


class Segment(Base):
    """A segment whose file is kept."""

    __tablename__ = "segment"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)


class EpochSegment(Base):
    """Which epoch needs which segment."""

    __tablename__ = "epoch_segment"

    epoch: Mapped[int] = mapped_column(ForeignKey("epoch.number"), primary_key=True)
    segment: Mapped[str] = mapped_column(ForeignKey("segment.digest"), primary_key=True, index=True)


class Key(Base):
    """An OPRF key that was published once, and until when it answers (`None`: for now)."""

    __tablename__ = "oprf_key"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    retires: Mapped[int | None] = mapped_column(BigInteger)


class Session(Base):
    """A session; the bearer's secret itself is not kept."""

    __tablename__ = "session"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(255), index=True)
    expires: Mapped[int] = mapped_column(BigInteger, index=True)


class SpentToken(Base):
    """A sign-in token that was exchanged: its digest, until nobody could use it any more."""

    __tablename__ = "spent_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    forget: Mapped[int] = mapped_column(BigInteger, index=True)


class Allowance(Base):
    """When an account's allowance of checks will be whole again. Without a row it is whole now."""

    __tablename__ = "allowance"

    account: Mapped[str] = mapped_column(String(255), primary_key=True)
    whole: Mapped[int] = mapped_column(BigInteger, index=True)
