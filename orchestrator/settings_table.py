"""What the tables of the settings file have in common."""

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from states.base_url import check_url
from states.errors import InvalidInput


class Table(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: object, field: ValidationInfo) -> object:
        """Refuse `true` where a number is wanted: Pydantic reads it as 1."""
        if isinstance(value, bool) and cls.model_fields[field.field_name or ""].annotation in (int, float):
            raise ValueError("It is no number.")
        return value


def from_json(text: str) -> object:
    """Return what a variable's ``text`` means as JSON. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def _safe(url: str) -> str:
    """Return ``url``; raise ValueError, without it, if it is neither https nor on loopback."""
    try:
        if url:
            check_url(url)
    except InvalidInput as error:
        raise ValueError("It is neither https nor plain http to a loopback address.") from error
    return url


SafeUrl = Annotated[str, AfterValidator(_safe)]
"""An https URL, or one of plain http to a loopback address; or empty."""
