"""A log to which entries can only be added, and the proofs that show it.

A log's keeper appends a leaf for each entry and signs *checkpoints*: how many leaves there are, and the root of a hash
tree over them. With a short proof anybody can check that an entry is in the log, and that a later checkpoint has
everything that an earlier one had, unchanged and in the same place.

Everything here is pure and follows published formats, so that programs written elsewhere can check such a log: `merkle`
(RFC 6962, RFC 9162), `note` (C2SP signed-note v1.0.0) and `checkpoint` (C2SP tlog-checkpoint v1.0.0).
"""
