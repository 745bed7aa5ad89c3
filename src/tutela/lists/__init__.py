"""Hash lists: who vouches for what, when a hash is listed, and how everybody can check it.

List authorities sign *submissions* (`submission`). A published rule decides which hashes are listed (`agreement`).
The provider builds an *epoch* from them (`epoch`): canonical list files (`canonical`), layers by time (`segments`),
evaluations with proofs (`evaluation`) and a manifest that binds it all. Authorities rebuild every byte before they
sign (`audit`), and a device accepts only what enough of them signed (`acceptance`).
All of this is pure; `workspace` keeps it in a plain folder.
"""
