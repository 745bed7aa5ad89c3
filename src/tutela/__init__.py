"""Tutela: child protection by design for end-to-end encrypted services.

Each folder is a room with one purpose; imports run downwards only. `docs/architecture.md` draws the house.
"""

__version__ = "0.1.0"
