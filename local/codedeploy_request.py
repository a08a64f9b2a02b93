"""What CodeDeploy's operations share: required fields, pages."""

from __future__ import annotations

from .json_service import Refused

PAGE = 100


def required(request: dict, field: str, code: str) -> str:
    """A field that must be there."""
    if not request.get(field):
        raise Refused(code, f"{field} is required")
    return request[field]


def paged(request: dict, field: str, found: list[str]) -> dict:
    """One page of a list; the token says where the next one begins."""
    token = request.get("nextToken") or "0"
    if not token.isdigit() or int(token) > len(found):
        raise Refused("InvalidNextTokenException", "The next token was specified in an invalid format.")
    start = int(token)
    answer: dict = {field: found[start:start + PAGE]}
    if start + PAGE < len(found):
        answer["nextToken"] = str(start + PAGE)
    return answer
