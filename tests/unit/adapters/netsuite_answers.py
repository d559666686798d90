"""A fake HTTP client for the tests of the NetSuite adapter, and the settings of its account."""

from collections.abc import Mapping
from typing import Any

from orchestrator.adapters.http import Answer
from states.connection import NetSuiteSettings


class FakeHttp:
    """Returns answers from a list and records the requests."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        self.requests.append({"path": path, "body": body, "headers": headers, "writes": writes, "query": query})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def settings(**changes: Any) -> NetSuiteSettings:
    return NetSuiteSettings(**({"account": "1234567_SB1", "client_id": "client", "certificate_id": "kid"} | changes))
