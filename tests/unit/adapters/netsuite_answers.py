"""NetSuite as its adapter's tests have it: answers from a list, and the settings to ask with."""

from collections.abc import Mapping
from typing import Any

from orchestrator.adapters.http import Answer
from states.connection import NetSuiteSettings


class FakeHttp:
    """Answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        self.asked.append({"path": path, "body": body, "headers": headers, "writes": writes, "query": query})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def settings(**changes: Any) -> NetSuiteSettings:
    return NetSuiteSettings(**({"account": "1234567_SB1", "client_id": "client", "certificate_id": "kid"} | changes))
