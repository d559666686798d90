"""Runs `keyturn_restlet.js`, the RESTlet that is deployed to NetSuite, in QuickJS.

Each call creates its own JavaScript engine, in the thread that serves the call. Threads must not share a QuickJS
context, NetSuite also gives each RESTlet call a fresh environment, and creating one takes about a millisecond.
"""

import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quickjs import Context, JSException

from simulator.certificate_record import SCRIPT_ID, CertificateRecord, not_found
from simulator.errors import SuiteScriptError
from simulator.history import Call

SCRIPT = Path("suitescript", "src", "FileCabinet", "SuiteScripts", "Keyturn", "keyturn_restlet.js")
MODULES = Path(__file__).with_name("modules.js")
MOST_MEMORY = 64 * 1024 * 1024
"""Bytes that one call may use."""


class UnhandledScriptError(Exception):
    """The script threw an error that it did not catch. `details` is the error as NetSuite serializes it."""

    def __init__(self, details: dict[str, Any]) -> None:
        super().__init__(details["name"])
        self.details = details


def find_script() -> Path:
    """Return the path of `keyturn_restlet.js`: next to this package, both in a checkout and in an installed wheel.

    Raises:
        FileNotFoundError: the file is missing. The message contains the path.
    """
    path = Path(__file__).parent.parent / SCRIPT
    if not path.is_file():
        raise FileNotFoundError(f"the RESTlet to simulate is missing: {path}")
    return path


@dataclass(frozen=True)
class LogLine:
    """One line that a script wrote to its execution log."""

    level: str
    title: str
    details: str


class Restlet:
    """The RESTlet. It serves any account, and is safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._sources = (MODULES.read_text(encoding="utf-8"), path.read_text(encoding="utf-8"))

    def post(self, body: bytes, host: "Host") -> str:
        """Call the script's `post` with a JSON body and return its reply as JSON text.

        Raises:
            UnhandledScriptError: the script threw an error, or could not be loaded.
        """
        context = Context()
        context.set_memory_limit(MOST_MEMORY)
        context.add_callable("simulatorCall", host.answer)
        try:
            for source in self._sources:
                context.eval(source)
            outcome = json.loads(context.get("simulatorPost")(body.decode()))
        except JSException as error:
            raise UnhandledScriptError({"type": "", "name": "UNEXPECTED_ERROR", "message": str(error)}) from error
        if "thrown" in outcome:
            raise UnhandledScriptError(outcome["thrown"])
        return str(outcome["reply"])


class Host:
    """Serves the operations of the `N/*` modules during one call of the RESTlet."""

    def __init__(
        self, record: CertificateRecord, call: Call, script_log: deque[LogLine], now_ms: Callable[[], int]
    ) -> None:
        self._record = record
        self._call = call
        cabinet = record.file_cabinet
        self._operations: dict[str, Callable[[dict[str, Any]], Any]] = {
            "bundles": lambda _: record.bundles,
            "certificate.find": lambda _: self._find(),
            "certificate.load": self._load,
            "certificate.save": self._save,
            "file.delete": lambda options: cabinet.delete(options["id"]),
            "file.load": lambda options: vars(cabinet.load(options["id"])),
            "file.save": lambda options: cabinet.save(**options).id,
            "folder.create": lambda options: cabinet.create_folder(**options),
            "folder.load": lambda options: {"isprivate": cabinet.load_folder(options["id"]).private},
            "log.write": lambda options: script_log.append(LogLine(**options)),
            "now": lambda _: now_ms(),
            "runtime.account": lambda _: record.account,
            "runtime.user": lambda _: {"id": 17, "name": "Keyturn", "role": 1017, "roleId": "customrole_keyturn"},
            "search": self._search,
            "signer.sign": self._sign,
        }

    def answer(self, operation: str, options: str) -> str:
        """Serve one operation. Errors are returned as JSON: an exception must not cross from Python into the engine."""
        try:
            return json.dumps({"value": self._operations[operation](json.loads(options))})
        except SuiteScriptError as error:
            return json.dumps({"error": {"name": error.name, "message": error.message}})

    def _find(self) -> list[dict[str, Any]]:
        held = self._record.find()
        if held is None:
            return []
        certificate = held.pair.certificate
        return [
            {
                "id": SCRIPT_ID,
                "name": held.name,
                "fileName": held.file_name,
                "validFrom": certificate.not_valid_before_utc.isoformat(),
                "validTo": certificate.not_valid_after_utc.isoformat(),
            }
        ]

    def _load(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["scriptId"] != SCRIPT_ID:
            raise not_found(options["scriptId"])
        return {"scriptId": SCRIPT_ID, "name": self._record.load().name}

    def _save(self, options: dict[str, Any]) -> None:
        if options["scriptId"] != SCRIPT_ID:
            raise not_found(options["scriptId"])
        if options["created"] and self._record.held is not None:
            raise SuiteScriptError("DUP_RCRD_ID", f"A certificate with the ID {SCRIPT_ID} already exists.")
        if not options["created"]:
            self._record.load()
        file = self._record.file_cabinet.load(options["file"])
        self._record.save(self._call, options["name"], file.name, file.contents, options["password"])

    def _search(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        match options:
            case {"type": "folder", "filters": [["name", "is", name]]}:
                return [vars(folder) for folder in self._record.file_cabinet.folders(name)]
            case {"type": "file", "filters": [["folder", "anyof", folder]]}:
                return [{"id": file.id, "name": file.name} for file in self._record.file_cabinet.files(folder)]
        raise SuiteScriptError("SSS_INVALID_SRCH_FILTER", "The simulator does not know this search.")

    def _sign(self, options: dict[str, Any]) -> str:
        if options["certId"] != SCRIPT_ID:
            raise not_found(options["certId"])
        if options["algorithm"] != "SHA-256":
            raise SuiteScriptError("INVALID_ALGORITHM", "The simulator signs with SHA-256 only.")
        return base64.b64encode(self._record.sign(self._call, options["text"].encode())).decode()
