"""A guarded end-to-end encrypted Matrix client, over matrix-nio.

`client.GuardedClient` is what an application uses. Around it: `cross_signing` and `signed_json` (pure), `identities`
(whom to trust, pure), `key_store` (what is kept on disk, encrypted), `media` (encrypted attachments), `timeline`
(what the application is shown), `speaking` (who speaks for the service, pure), `franking` (what makes a message
provable, pure), `machine` (all that touches nio), `replays` (what was seen before), `homeserver` (a local Synapse to
try it on), and `synapse_module` (which Synapse loads to stamp messages). For a provider: `enforcement` (what reviewers
decided, done at Synapse), `notices` (what people are told of it), `admin_api` (the way there).
"""
