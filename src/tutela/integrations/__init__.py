"""Clients of real messengers, guarded by `device`."""
