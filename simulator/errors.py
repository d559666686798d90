"""The error that SuiteScript's modules throw."""


class SuiteScriptError(Exception):
    """An error of an `N/*` module: `name` is the stable code, `message` the text for people."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
