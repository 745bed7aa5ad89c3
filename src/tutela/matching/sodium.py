"""libsodium's ristretto255, as `rbcl` ships it, without what `rbcl` leaves behind.

On import `rbcl` writes its copy of libsodium to a temporary file and never removes it: 2.8 MB for each process. Once
loaded the file is not needed any more, so it goes (except on Windows, where a loaded file cannot be removed).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import rbcl
from rbcl._sodium import lib_path

with contextlib.suppress(OSError):
    Path(lib_path).unlink()

scalar_reduce = rbcl.crypto_core_ristretto255_scalar_reduce
scalar_multiply = rbcl.crypto_core_ristretto255_scalar_mul
scalar_subtract = rbcl.crypto_core_ristretto255_scalar_sub
scalar_invert = rbcl.crypto_core_ristretto255_scalar_invert
element_of_hash = rbcl.crypto_core_ristretto255_from_hash
is_element = rbcl.crypto_core_ristretto255_is_valid_point
add = rbcl.crypto_core_ristretto255_add
multiply = rbcl.crypto_scalarmult_ristretto255
multiply_base = rbcl.crypto_scalarmult_ristretto255_base
