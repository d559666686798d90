"""Reads the store's URL, in the forms in which people and platforms write it."""

import re
from typing import Final
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from states.errors import InvalidSettings
from states.next_action import REPEAT, NextAction, Verb

_SCHEME: Final = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://")
"""Heroku and others write postgres://; SQLAlchemy's users name the driver."""
_HOSTS: Final = re.compile(r"postgresql://([^@/?]*@)?([^/?]*,[^/?]*)(/[^?]*)?(?:\?(.*))?")
"""Several hosts, as libpq has them. https://www.postgresql.org/docs/current/libpq-connect.html"""
_SECRET: Final = ("password", "sslpassword")
"""libpq's parameters that must not be shown."""


def parse(url: str) -> URL:
    """Return the URL as SQLAlchemy has it. Raises InvalidSettings, without the text, which may hold a password."""
    url = url.strip()
    scheme, _, path = url.partition(":///")
    if scheme == "sqlite" and path not in ("", ":memory:"):
        # Taken literally: a folder's name may have any character. SQLite would read //name as a host.
        return URL.create("sqlite", database=re.sub("^//+", "/", path))
    if not _SCHEME.match(url):
        raise InvalidSettings("The store's URL is sqlite:///PATH or postgresql://…: a file, or a server.")
    if url.count("@") > 1:  # the rest of the password would be taken for the server's name, and shown
        raise InvalidSettings("In the store's URL, write an @ of the password as %40.")
    try:
        parsed = make_url(_with_one_place(_SCHEME.sub("postgresql+psycopg://", url, count=1)))
    except (ArgumentError, ValueError):
        raise InvalidSettings("The store's postgresql:// URL cannot be read.") from None
    _check_parameters(parsed)
    return _with_folder(parsed)


def shown(url: URL) -> str:
    """What a message calls the database: the file, or the URL without its passwords."""
    if url.drivername == "sqlite":
        return str(url.database)
    hidden = {name: "***" for name in _SECRET if name in url.query}
    return url.set(drivername="postgresql").update_query_dict(hidden).render_as_string(hide_password=True)


def without_secrets(url: URL) -> str:
    """The URL as libpq's own programs take it, without its passwords: they ask, or read ~/.pgpass."""
    query = {name: value for name, value in url.query.items() if name not in _SECRET}
    without = URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=query
    )
    return without.render_as_string(hide_password=False)


def _with_one_place(url: str) -> str:
    """Turn libpq's form of several hosts, ``//user@one:1,two:2/name``, into SQLAlchemy's: a parameter for each."""
    found = _HOSTS.fullmatch(url.replace("postgresql+psycopg://", "postgresql://", 1))
    if not found:
        return url
    user, hosts, name, query = (part or "" for part in found.groups())
    places = "&".join(f"host={host}" for host in hosts.split(","))
    return f"postgresql+psycopg://{user}{name or '/'}?{places}" + (f"&{query}" if query else "")


def _with_folder(url: URL) -> URL:
    """Take a socket's folder from libpq's form ``//user@%2Frun%2Fpostgresql/name``: SQLAlchemy decodes no host."""
    host = unquote(url.host or "")
    if not host.startswith("/"):
        return url
    port = {} if url.port is None else {"port": str(url.port)}
    return URL.create(
        url.drivername, url.username, url.password, database=url.database, query={**url.query, "host": host, **port}
    )


def _check_parameters(url: URL) -> None:
    """Refuse a parameter that libpq does not know: the driver would, on each connection, with an error of its own."""
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidSettings(
            "PostgreSQL needs the package psycopg.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "postgresql"}, then=REPEAT),
        ) from error
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    if unknown := [name for name in url.query if name not in known]:
        raise InvalidSettings(f"The store's URL has a parameter that PostgreSQL does not know: {', '.join(unknown)}.")
