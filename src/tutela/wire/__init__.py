"""The messages that cross between device, provider and authority: their encoding, versions and limits.

Everything here is pure: bytes in, typed values out. Nothing is trusted because it parsed; what a signature or a
proof shows is decided by `lists` and `matching`.
"""
