"""The two questions of the Matrix client API that signing in to a provider needs, answered over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from harness.provider import SERVER, FakeHomeserver

ACCESS_TOKEN = "syt_an_access_token"
USER = f"@mia:{SERVER}"


@contextmanager
def client_api(homeserver: FakeHomeserver) -> Iterator[str]:
    """Serve them on the loopback interface; a token given here is one that `homeserver` vouches for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("/_matrix/client/v3/account/whoami", {"user_id": USER})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            token = f"openid-{len(homeserver.tokens)}"
            homeserver.tokens[token] = USER
            answer = {"matrix_server_name": SERVER, "access_token": token, "token_type": "Bearer", "expires_in": 3600}
            self._answer(f"/_matrix/client/v3/user/{USER}/openid/request_token", answer)

        def _answer(self, path: str, answer: dict[str, object]) -> None:
            status = 200 if unquote(self.path) == path else 404
            if self.headers["authorization"] != f"Bearer {ACCESS_TOKEN}":
                status, answer = 401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Unrecognised access token"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
