"""Synthetic conversations, composed from banks of lines: training material, with the truth about every line."""
