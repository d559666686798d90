"""`keyturn connection authorize`, with a browser that consents in OpenAir."""

import re
import subprocess
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from acceptance.installed_keyturn import Run, command
from support.polling import WAIT_LIMIT

ADDRESS = re.compile(r"^  (http\S+)$")


def consented(environment: Mapping[str, str], *arguments: str) -> Run:
    """Run the command in this environment, and open the address that it prints; the browser follows OpenAir back to it.

    With ``--paste`` the browser stays where OpenAir sends it, and that address is typed.
    """
    words = command(*arguments)
    with subprocess.Popen(
        words,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr
        printed = ""
        while not (found := ADDRESS.match(line := running.stderr.readline())):
            assert line, f"no address was printed: {printed}"
            printed += line
        pasted = _browse(found[1], follows="--paste" not in arguments)
        out, err = running.communicate(pasted, timeout=WAIT_LIMIT)
        return Run(words, running.returncode, out, printed + line + err)


def _browse(address: str, *, follows: bool) -> str:
    """Open the address as a browser does; return what a person pastes. Its requests are not logged, as others are."""
    sent_to, _ = _get(address)
    if not follows:
        return f"{sent_to}\n"
    _, page = _get(sent_to)
    assert "Close this window" in page
    return ""


def _get(address: str) -> tuple[str, str]:
    """Return where the answer sends the browser, and its text."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_LIMIT)
    with closing(connection):
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.headers.get("Location", ""), answer.read().decode()
