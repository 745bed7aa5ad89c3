"""Harmless photographs that ship inside scikit-image, and epochs that list them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from skimage import data

from harness.epochs import MadeEpoch, make_epoch
from tutela.signals.image import pdq_of_list_item
from tutela.wire.manifest import Action, Actions, Policy

POLICY = Policy(
    mode="shield",
    agreed=Actions(outgoing=Action.STOP, incoming=Action.STOP),
    attested=Actions(outgoing=Action.WARN, incoming=Action.WARN),
    unchecked=Actions(outgoing=Action.WARN, incoming=Action.ALLOW),
    cover_checks_per_day=0,
    checks_per_hour=1000,
)


def jpeg(pixels: np.ndarray, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


LISTED, ORDINARY, ATTESTED = (jpeg(p) for p in (data.astronaut(), data.coffee(), data.chelsea()))


def epoch_of(*pictures: bytes, **options: object) -> MadeEpoch:
    """An epoch that lists these pictures."""
    hashes = [pdq_of_list_item(picture).hex for picture in pictures]
    return make_epoch(hashes, **({"policy": POLICY} | options))  # type: ignore[arg-type]
