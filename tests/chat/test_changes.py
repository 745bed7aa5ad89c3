"""Followers learn of changes; slow ones never miss the last."""

from __future__ import annotations

import asyncio

from tutela.chat.changes import Changes


async def test_follower_wakes_after_each_change():
    changes = Changes()
    following = changes.follow()
    waiting = asyncio.create_task(anext(following))
    await asyncio.sleep(0)
    assert not waiting.done()
    changes.notify()
    await waiting
    waiting = asyncio.create_task(anext(following))
    await asyncio.sleep(0)
    changes.notify()
    await waiting
    await following.aclose()


async def test_slow_follower_gets_one_wake_for_many_changes():
    changes = Changes()
    following = changes.follow()
    waiting = asyncio.create_task(anext(following))
    await asyncio.sleep(0)
    for _ in range(5):
        changes.notify()
    await waiting
    changes.notify()
    changes.notify()
    await anext(following)
    another = asyncio.create_task(anext(following))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not another.done()
    another.cancel()
    await asyncio.gather(another, return_exceptions=True)


async def test_closing_ends_followers_and_leaves_none_behind():
    changes = Changes()
    ended = [asyncio.create_task(_all(changes)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.close()
    assert await asyncio.gather(*ended) == [0, 0, 0]
    assert changes._waiting == set()


async def _all(changes: Changes) -> int:
    return len([None async for _ in changes.follow()])
