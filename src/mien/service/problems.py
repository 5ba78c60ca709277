"""What goes wrong, in one JSON shape for every status: ``{"error": {"code": …, "message": …}}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

__all__ = ["Problem", "problem_response", "unknown_path", "wrong_method"]


class Problem(Exception):  # noqa: N818 - an answer to the caller, not a failure of ours
    """A request that is not answered as it was asked."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Say what is wrong.

        Args:
            status: Of HTTP.
            code: For programs: a word that stays the same when the message is put better.
            message: For people: what happened, what was expected, what to do.
            headers: Of the response, besides.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def told(self) -> Problem:
        """Forget where it was raised, now that it becomes an answer.

        Its traceback holds the frames it came through, and they hold it and the request's body: a circle that Python
        would look for only much later.
        """
        self.__traceback__ = self.__context__ = None
        return self


def problem_response(problem: Problem) -> Response:
    """Return the answer that a caller gets."""
    problem.told()
    body = {"error": {"code": problem.code, "message": problem.message}}
    return Response(
        # A message may quote what was sent, and JSON can hold halves of letters.
        json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        problem.status,
        problem.headers,
        media_type="application/json",
    )


def unknown_path() -> Problem:
    """404, without the path: it may hold anything."""
    return Problem(
        404, "not_found", "There is nothing at this path. The paths are in /openapi.json."
    )


def wrong_method(allowed: str) -> Problem:
    """405, with what would be right."""
    message = f"This path does not take this method; expected {allowed}."
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, {"allow": allowed})
