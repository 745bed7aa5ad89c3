"""The conversation guard on a user's device: it reads, it speaks to its user alone, and nothing leaves the device."""

from tutela.device.conversation.advice import Advice, Choice, Focus, trusted_message
from tutela.device.conversation.brake import Pause
from tutela.device.conversation.guard import ConversationGuard, shipped_reader
from tutela.device.conversation.settings import AgeGroup, Limits, Settings, limits_of

__all__ = [
    "Advice",
    "AgeGroup",
    "Choice",
    "ConversationGuard",
    "Focus",
    "Limits",
    "Pause",
    "Settings",
    "limits_of",
    "shipped_reader",
    "trusted_message",
]
