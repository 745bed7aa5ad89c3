"""The whole story on real parts: a homeserver, a provider, two list authorities, and a guarded conversation."""
