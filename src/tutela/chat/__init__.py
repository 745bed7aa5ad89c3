"""A local page with a guarded conversation: a screen that a child can touch.

`window.Window` is one person's guarded client in one room; `server.serve` serves windows on loopback at secret links,
and a page with all of them beside what the homeserver and the provider saw (`observer`). Server-rendered; without its
script it works by forms and reloads.
"""

from tutela.chat.app import create_app
from tutela.chat.client import ChatClient
from tutela.chat.observer import Observation, Observations, Observer, Party
from tutela.chat.server import Links, serve
from tutela.chat.window import Window

__all__ = ["ChatClient", "Links", "Observation", "Observations", "Observer", "Party", "Window", "create_app", "serve"]
