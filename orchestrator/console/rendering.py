"""Templates to HTML. Every text is escaped, and its invisible and direction-changing characters are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from orchestrator.console import actions
from orchestrator.console.access import Permissions, role_for
from orchestrator.console.sessions import Session
from orchestrator.control_characters import visible
from orchestrator.views import formatting, next_actions
from orchestrator.views.rehearsal import skew_text
from orchestrator.views.values import iso
from states.access import Role

Values = Mapping[str, Any]
_LIVE: Final = "live"
"""The block of a page that a stream replaces."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template, its title, and what the template shows."""

    template: str
    title: str
    values: Values


class Renderer:
    """Makes pages and fragments of them; safe to share between threads."""

    def __init__(self, paths: Mapping[str, str], *, has_demo: bool = False) -> None:
        """``paths`` has the assets' paths by their names; ``has_demo`` adds the demo's page to the navigation."""
        self._environment = Environment(
            loader=PackageLoader("orchestrator.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_visible,
        )
        self._environment.filters |= {
            "time": _time,
            "span": formatting.span,
            "command": next_actions.line,
            "steps": actions.steps,
            "alternatives": actions.alternatives,
            "button": actions.button,
            "short": _short,
            "address": _address,
            "skew": skew_text,
        }
        self._environment.globals |= {"assets": paths, "has_demo": has_demo, "role_for": role_for}
        self._for_role = {role: self._common(role) for role in (None, *Role)}

    def _common(self, role: Role | None) -> Values:
        """What every template gets for a reader with this role: what they may do, and macros that heed it."""
        can = Permissions(role).can
        # A fragment is one block on its own, which has none of its template's imports.
        return {"can": can, "m": self._environment.get_template("macros.html").make_module({"can": can})}

    def page(self, shown: Shown, *, session: Session | None, **more: Any) -> str:
        """The whole page, for whom ``session`` says."""
        template = self._environment.get_template(shown.template)
        common = self._for_role[session.role if session else None]
        return template.render({**common, **shown.values, "title": shown.title, "session": session, **more})

    def fragment(self, shown: Shown, role: Role) -> str:
        """The part of the page that changes, with the title, for readers with this role."""
        template = self._environment.get_template(shown.template)
        context = template.new_context({**self._for_role[role], **shown.values, "title": shown.title})
        block = "".join(template.blocks[_LIVE](context))
        return f"<title>{escape(visible(shown.title))}</title>{block}"


def _visible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _time(at: datetime | None, *, clock: bool = False) -> Markup:
    """A moment in UTC; scripts add the reader's own time. ``clock`` leaves the date out."""
    if at is None:
        return escape(formatting.moment(None))
    shown = f"{at.astimezone(UTC):%H:%M:%S}" if clock else formatting.moment(at)
    return Markup('<time datetime="{}">{}</time>').format(iso(at), shown)


def _address(fields: Mapping[str, str]) -> str:
    """The fields of a page's address, without those that are empty."""
    return urlencode({name: value for name, value in fields.items() if value})


def _short(fingerprint: str) -> str:
    """The beginning of a fingerprint, in groups that can be compared by eye."""
    return " ".join(fingerprint[place : place + 4] for place in range(0, 16, 4)) + " …"
