"""Named bounds on every input. A test tries each of them one over."""

from __future__ import annotations

from typing import Final

MEBIBYTE: Final = 1 << 20

#: A signed document (manifest, submission) in its envelope, in bytes.
ENVELOPE_BYTES: Final = 64 * MEBIBYTE
#: Signatures in one envelope.
ENVELOPE_SIGNATURES: Final = 64
#: A manifest's payload, in bytes.
MANIFEST_BYTES: Final = 1 * MEBIBYTE
#: Items in one submission.
SUBMISSION_ITEMS: Final = 250_000
#: Segments in one manifest, all list classes together.
MANIFEST_SEGMENTS: Final = 64
#: One segment file, in bytes (about 55 million band entries).
SEGMENT_BYTES: Final = 256 * MEBIBYTE
#: Elements in one blinded batch.
BATCH_ELEMENTS: Final = 2048
#: A sign-in request, in bytes.
SIGN_IN_BYTES: Final = 8192
#: A report without its attachments, in bytes.
REPORT_BYTES: Final = 4 * MEBIBYTE
#: Messages, and attachments, in one report.
REPORT_MESSAGES: Final = 200
REPORT_ATTACHMENTS: Final = 20
#: One reported attachment, in bytes: as large as a picture that is sent.
ATTACHMENT_BYTES: Final = 32 * MEBIBYTE
#: What somebody writes in a report, in characters.
REPORT_TEXT: Final = 4000
