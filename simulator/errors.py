"""The error by which SuiteScript's modules refuse."""


class SuiteScriptError(Exception):
    """An error as an `N/*` module throws it: `name` is the stable code, `message` the text for people."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
