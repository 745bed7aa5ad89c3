"""Numbers given out one by one, without gaps, on every database alike."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from tutela.provider.review.tables import Counter


def next_number(connection: Connection, name: str) -> int:
    """Return the next number of a counter, from 1 on.

    Whoever takes one holds the counter until the transaction ends: others that need one wait, and see its work then.
    """
    changed = connection.execute(update(Counter).where(Counter.name == name).values(next=Counter.next + 1)).rowcount
    if not changed:
        # Two that meet here at the very first time: the later one fails on the key, and its request is made again.
        connection.execute(insert(Counter).values(name=name, next=1))
    number: int = connection.execute(select(Counter.next).where(Counter.name == name)).scalar_one()
    return number
