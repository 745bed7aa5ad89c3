"""The SDK on a user's device: `Guard` checks pictures before they are sent and after they arrive, and reports.

Needs no database, no server and no compiler: `pip install ".[device]"` in a clone.
"""

from tutela.device.guard import Guard
from tutela.device.openid import matrix_sign_in
from tutela.device.reports import OwnReport, Reports
from tutela.device.trust import load_trust_root
from tutela.device.verdict import Direction, Outcome, Reason, Verdict
from tutela.wire.manifest import Action

__all__ = [
    "Action",
    "Direction",
    "Guard",
    "Outcome",
    "OwnReport",
    "Reason",
    "Reports",
    "Verdict",
    "load_trust_root",
    "matrix_sign_in",
]
