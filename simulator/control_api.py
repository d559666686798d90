"""The control API: lets another process control the simulator. JSON over HTTP on its own port.

GET    /history?after=SEQ&account=&endpoint=   the entries, in order
GET    /faults                                 the faults that are still armed
POST   /faults                                 arm one (an object with the fields of `Fault`) or several (a list)
DELETE /faults                                 disarm all
GET    /imports?account=                       the counts
POST   /imports                                {"do": "start", "rate": 5} | {"do": "stop"} | {"do": "send"}
GET    /state?account=                         what both systems hold, without private keys
POST   /netsuite/record                        {"state": "missing"}, one of `certificate_record.STATES`
POST   /netsuite/permissions                   {"permissions": ["LIST_CERTIFICATES", "MANAGE_OWN_CERTIFICATES"]}
POST   /netsuite/bundles                       {"bundles": [{"id": "369630", "name": "…", "version": "4.02"}]}
POST   /openair/certificate                    {"pem": "-----BEGIN CERTIFICATE-----…"} | {"pem": null}
POST   /clock                                  {"offset": 120} seconds ahead of the computer's clock
POST   /tokens/revoke                          invalidate every access token of both systems

Every POST except /faults and /clock takes an "account"; the default is the first. An invalid request gets status 400
and {"error": "…"}.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509

from simulator.certificates import fingerprint
from simulator.faults import read_fault
from simulator.server import Delivery, Reply, Request, json_reply

if TYPE_CHECKING:
    from simulator.simulator import Pair, Simulator


class ControlApi:
    """Serves the control API of a simulator."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/history"): self._history,
            ("GET", "/faults"): lambda _: simulator.faults.pending(),
            ("POST", "/faults"): self._faults,
            ("DELETE", "/faults"): lambda _: simulator.faults.clear(),
            ("GET", "/imports"): lambda options: simulator.import_requests.counts(options.get("account")).as_json(),
            ("POST", "/imports"): self._imports,
            ("GET", "/state"): lambda options: _state(self._pair(options)),
            ("POST", "/netsuite/record"): lambda options: self._pair(options).netsuite.record.reset(options["state"]),
            ("POST", "/netsuite/permissions"): self._permissions,
            ("POST", "/netsuite/bundles"): self._bundles,
            ("POST", "/openair/certificate"): self._certificate,
            ("POST", "/clock"): self._clock,
            ("POST", "/tokens/revoke"): self._revoke,
        }

    def __call__(self, request: Request) -> Delivery:
        """Answer one request of the control API."""
        return Delivery(self._answer(request))

    def _answer(self, request: Request) -> Reply:
        action = self._routes.get((request.method, request.path))
        if action is None:
            return json_reply(404, {"error": "no such resource"})
        try:
            return json_reply(200, {"result": action(json.loads(request.body) if request.body else request.query)})
        except KeyError as error:
            return json_reply(400, {"error": f"unknown or missing: {error}"})
        except (TypeError, ValueError, AttributeError) as error:
            return json_reply(400, {"error": str(error)})

    def _faults(self, content: Any) -> None:
        several = content if isinstance(content, list) else [content]
        self._simulator.faults.add(*map(read_fault, several))

    def _pair(self, options: dict[str, Any]) -> "Pair":
        account = options.get("account")
        return self._simulator.first if account is None else self._simulator.pairs[account]

    def _history(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        after = int(options.get("after", 0))
        entries = self._simulator.history.entries(
            after, account=options.get("account"), endpoint=options.get("endpoint")
        )
        return [entry.as_json() for entry in entries]

    def _imports(self, options: dict[str, Any]) -> str | None:
        imports, account = self._simulator.import_requests, options.get("account")
        match options["do"]:
            case "start":
                imports.start(float(options["rate"]), account)
            case "stop":
                imports.stop(account)
            case "send":
                return imports.send(account)
            case other:
                raise ValueError(f"unknown: {other!r}; known: start, stop, send")
        return None

    def _permissions(self, options: dict[str, Any]) -> None:
        self._pair(options).netsuite.record.permissions = set(options["permissions"])

    def _bundles(self, options: dict[str, Any]) -> None:
        self._pair(options).netsuite.record.bundles = list(options["bundles"])

    def _certificate(self, options: dict[str, Any]) -> None:
        self._pair(options).openair.settings.set_certificate(options["pem"])

    def _clock(self, options: dict[str, Any]) -> None:
        self._simulator.clock.offset = timedelta(seconds=float(options["offset"]))

    def _revoke(self, options: dict[str, Any]) -> None:
        pair = self._pair(options)
        pair.netsuite.revoke_tokens()
        pair.openair.revoke_tokens()


def _state(pair: "Pair") -> dict[str, Any]:
    record, settings = pair.netsuite.record, pair.openair.settings
    held, trusted = record.held, settings.trusted
    return {
        "account": pair.credentials.account,
        "netsuite": {
            "record": None
            if held is None
            else {"name": held.name, "fileName": held.file_name} | _described(held.pair.certificate),
            "files": record.file_cabinet.paths(),
            "filesWithPrivateKey": record.file_cabinet.paths_with_private_key(),
        },
        "openair": {
            "certificate": None if trusted is None else _described(trusted),
            "preferences": [preference.name for preference in settings.preferences()],
        },
    }


def _described(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint(certificate),
        "validFrom": certificate.not_valid_before_utc.isoformat(),
        "validTo": certificate.not_valid_after_utc.isoformat(),
    }
