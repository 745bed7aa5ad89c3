"""What can fail to hold in private matching."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tutela.errors import TutelaError


class MatchingError(TutelaError):
    """Something that private matching relies on does not hold."""

    code: ClassVar[str] = "matching"


class InvalidElement(MatchingError):
    """Bytes that are not a valid, non-identity element of the group."""

    code: ClassVar[str] = "invalid-element"


class InvalidProof(MatchingError):
    """The proof does not show that the published key was used for every element."""

    code: ClassVar[str] = "invalid-proof"


class InvalidKey(MatchingError):
    """Bytes that are not a key of the OPRF."""

    code: ClassVar[str] = "invalid-key"


class FilterFailure(MatchingError):
    """A filter could not be built from these entries."""

    code: ClassVar[str] = "filter"


class TooManyPairs(MatchingError):
    """So many hashes are nearly equal that they are not compared."""

    code: ClassVar[str] = "too-many-pairs"

    def __init__(self, message: str, counts: NDArray[np.int64], pairs: NDArray[np.intp]) -> None:
        super().__init__(message)
        self.counts = counts
        """In how many of these pairs each row is."""
        self.pairs = pairs
        """Those found before there were too many, shape (m, 2); none where none was compared."""
