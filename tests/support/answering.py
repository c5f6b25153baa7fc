"""A worker that only answers: an HTTP server on a free port that gives a table's JSON, for the commands that ask."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Answers = dict[str, Any]
"""By path, without the query, what is answered: a tree as JSON with 200, or (status, tree), or bytes as they are.

An iterator gives one of these each time.
"""


@contextmanager
def answering(answers: Answers) -> Iterator[str]:
    """Its address, while the scope lasts; the table may change meanwhile, and what is not in it is 404."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0], (404, {"error": {"code": "not_found"}}))
            found = next(found) if isinstance(found, Iterator) else found
            status, tree = found if isinstance(found, tuple) else (200, found)
            body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)
