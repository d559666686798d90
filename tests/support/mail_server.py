"""A mail server on loopback that keeps what it gets; its replies can be changed."""

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class MailBox:
    """What the server got, and how it answers."""

    port: int
    tls: ssl.SSLContext | None
    """What it encrypts with: after STARTTLS, or from the start where ``is_tls``; None for a server in clear."""
    is_tls: bool
    replies: dict[str, str] = field(default_factory=dict)
    """Other replies than usual, by command (``END``: to the end of a mail); an empty one closes the connection."""
    password: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)


class _Hangup(Exception):
    """The server closes the connection."""


class _Session:
    """One client."""

    def __init__(self, box: MailBox, connection: socket.socket) -> None:
        self._box = box
        self._connection = connection

    def serve(self) -> None:
        with suppress(_Hangup, OSError):
            if self._box.is_tls:
                self._encrypt()
            self._say("220 mail.example ready")
            while True:
                verb, _, rest = self._line().decode().strip().partition(" ")
                self._answer(verb.upper(), rest)
        self._connection.close()

    def _answer(self, verb: str, rest: str) -> None:
        known = {"EHLO": self._greet, "STARTTLS": self._start_tls, "AUTH": self._sign_in, "DATA": self._take}
        if verb in self._box.replies:
            self._say(self._box.replies[verb])
        elif verb in known:
            known[verb](rest)
        elif verb == "QUIT":
            self._say("221 bye")
            raise _Hangup
        else:
            if verb == "RCPT":
                self._box.recipients.append(rest)
            self._say("250 fine")

    def _greet(self, _: str) -> None:
        can = ["STARTTLS"] if self._box.tls and not self._is_encrypted else []
        can += ["AUTH PLAIN"] if self._box.password else []
        self._say("\r\n".join(["250-mail.example", *(f"250-{each}" for each in can), "250 HELP"]))

    def _start_tls(self, _: str) -> None:
        self._say("220 go ahead")
        self._encrypt()

    def _sign_in(self, rest: str) -> None:
        given = base64.b64decode(rest.split()[1]).decode().split("\0")[2]
        self._say("235 welcome" if given == self._box.password else "535 no")

    def _take(self, _: str) -> None:
        self._say("354 go on")
        mail = message_from_bytes(b"".join(iter(self._line, b".\r\n")), policy=default)
        assert isinstance(mail, EmailMessage)
        self._box.mails.append(mail)
        self._box.was_encrypted.append(self._is_encrypted)
        self._say(self._box.replies.get("END", "250 taken"))

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not (read := self._connection.recv(1)):
                raise _Hangup
            line += read
        return line

    def _say(self, reply: str) -> None:
        if not reply:
            raise _Hangup
        self._connection.sendall(f"{reply}\r\n".encode())

    @property
    def _is_encrypted(self) -> bool:
        return isinstance(self._connection, ssl.SSLSocket)

    def _encrypt(self) -> None:
        assert self._box.tls
        plain = self._connection
        try:
            self._connection = self._box.tls.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            raise


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, *, is_tls: bool = False) -> Iterator[MailBox]:
    """Serve mail on loopback, a client at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        box = MailBox(listener.getsockname()[1], tls, is_tls)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(30)
                    _Session(box, connection).serve()

        thread = threading.Thread(target=serve)
        thread.start()
        yield box
        listener.shutdown(socket.SHUT_RDWR)  # accept returns
        thread.join(60)
