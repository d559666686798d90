"""What a person filled in: read from a request, bounded, and refused in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from states.errors import InvalidInput

_MOST_FIELDS: Final = 20
_LONGEST_REASON: Final = 500
_LONGEST_FINGERPRINT: Final = 200
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, or of a page's address."""

    fields: Mapping[str, str]

    def text(self, name: str, longest: int) -> str:
        """The field, without blanks at its ends; empty where it is missing. Raises InvalidInput where it is longer."""
        given = self.fields.get(name, "").strip()
        if len(given) > longest:
            raise InvalidInput(f"The {name} has at most {longest} characters.")
        return given

    def is_ticked(self, name: str) -> bool:
        """Whether the box is ticked."""
        return self.fields.get(name, "") == "1"

    @property
    def reason(self) -> str:
        """Why a person does it. Raises InvalidInput without one."""
        if not (given := self.text("reason", _LONGEST_REASON)):
            raise InvalidInput("Give a reason: the journal keeps it.")
        return given

    @property
    def fingerprint(self) -> str:
        """What a person reads in OpenAir; may be empty."""
        return self.text("fingerprint", _LONGEST_FINGERPRINT)

    @property
    def approves(self) -> int | None:
        """The number of the request that the person approves; None where they approve none. Raises InvalidInput."""
        given = self.fields.get("approves", "")
        if given and not _is_number(given):
            raise InvalidInput("The form does not say which request you approve. Open the page again.")
        return int(given) if given else None

    @property
    def version(self) -> int:
        """The version that the person saw. Raises InvalidInput without one."""
        given = self.fields.get("version", "")
        if not _is_number(given):
            raise InvalidInput("The form does not say which version you saw. Open the page again.")
        return int(given)


async def read_form(request: Request) -> Form:
    """Read a posted form. Raises InvalidInput for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise InvalidInput("This is not a form.")
    try:
        text = (await request.body()).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:  # not ASCII, too many fields, or what is encoded is not UTF-8
        raise InvalidInput("This form cannot be read.") from error
    return _of(pairs)


def read_query(request: Request) -> Form:
    """Read the fields of a page's address. Raises InvalidInput where it cannot be read."""
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidInput("This address cannot be read.") from error
    return _of(pairs)


def _of(pairs: list[tuple[str, str]]) -> Form:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidInput("A field is given twice.")
    if any("\0" in each or _is_broken(each) for each in fields.values()):  # no database stores them
        raise InvalidInput("A field has characters that cannot be stored.")
    return Form(fields)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len("1" + "0" * 9)


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


Posted = Annotated[Form, Depends(read_form)]
Query = Annotated[Form, Depends(read_query)]
