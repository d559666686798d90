"""Error responses of the two OAuth 2.0 token endpoints, as RFC 6749 section 5.2 defines them."""

from http import HTTPStatus

from simulator.faults import Fault
from simulator.server import Reply, json_reply


class OAuthError(Exception):
    """A token endpoint refuses a request, with `error`, `error_description` and an HTTP status."""

    def __init__(self, error: str, description: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


def refusal(error: OAuthError, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Turn the error into a response. A 401 names an authentication scheme, as RFC 9110 section 15.5.2 requires."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers = (("WWW-Authenticate", "Basic"), *headers)
    body = {"error": error.error, "error_description": error.description}
    return json_reply(error.status, body, code=error.error, headers=headers)


def refuse_token(fault: Fault) -> Reply:
    """Build the error response that an injected fault demands from a token endpoint."""
    status, error = {
        "throttle": (HTTPStatus.TOO_MANY_REQUESTS, "temporarily_unavailable"),
        "401": (HTTPStatus.UNAUTHORIZED, "invalid_client"),
        "403": (HTTPStatus.FORBIDDEN, "access_denied"),
    }.get(fault.kind, (HTTPStatus.BAD_REQUEST, fault.code or "invalid_request"))
    return refusal(OAuthError(error, "injected", status), fault.headers())
