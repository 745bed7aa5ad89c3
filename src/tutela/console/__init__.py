"""The console: pages on which people review reports, and which are served beside the provider's service.

Rendered here, with forms; a script does only what a form cannot: it asks a passkey, and shows what is held. Who may see
which page, and what is confirmed with the passkey again, is said where each page is declared (`pages`) and nowhere
else; a page without that cannot be declared.

The rooms within: `site` (the address), `fence` (what keeps other pages out), `forms`, `pages` (declaring them),
`visit` (one request, as a page sees it), `passkeys` and `tickets` (WebAuthn), `limits`, `looks` (rendering),
`refusals` (from an error to a page), `entrance`, `staff`, `audit`, `queue` (the pages), `app` and `server`.
"""
