"""The provider's service: it hands out epochs, evaluates blinded batches, and keeps as little as it can.

What it learns from a check is one account and one time. The batch is random to it, always of one size, and is
written nowhere. `docs/provider.md` says everything that is stored, where and for how long.

*The evasion oracle.* Whoever holds a device can ask it about pictures of their own and edit one until it passes;
no private matching can prevent that, because the device must learn the answer. What the provider can do is make it
slow: each account has an allowance of checks (`allowance`), which is part of the published policy.

The rooms within: `settings` (what the operator chooses), `database` and `tables` (storage), `keys` (the OPRF's
secrets), `epochs` and `segments` (what is published), `openid`, `sessions` and `allowance` (accounts), `evaluation`
(the check itself), `access` (what is logged), `app` (the HTTP surface), `server` (running it).
"""
