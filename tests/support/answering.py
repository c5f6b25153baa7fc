"""A worker that only answers: an HTTP server on a free port that gives a table's JSON, for the commands that ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.http_thread import Quiet, serving

Answers = dict[str, Any]
"""By path, without the query, what is answered: a tree as JSON with 200, or (status, tree), or bytes as they are.

An iterator gives one of these each time.
"""


@contextmanager
def answering(answers: Answers) -> Iterator[str]:
    """Its address, while the scope lasts; the table may change meanwhile, and what is not in it is 404."""

    class Answer(Quiet):
        def asked(self) -> None:
            found = answers.get(self.path.partition("?")[0], (404, {"error": {"code": "not_found"}}))
            found = next(found) if isinstance(found, Iterator) else found
            status, tree = found if isinstance(found, tuple) else (200, found)
            self.answer(status, tree if isinstance(tree, bytes) else json.dumps(tree).encode())

    with serving(Answer) as port:
        yield f"http://127.0.0.1:{port}"
