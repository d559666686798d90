"""A rotation as a file: everything that its page is made of, in the shape of the command line's JSON; its evidence."""

import json

from fastapi import FastAPI
from starlette.responses import Response

from orchestrator.console.context import Console
from orchestrator.control_characters import escape_json
from orchestrator.views.evidence import attached
from orchestrator.views.evidence import text as text_of_evidence
from orchestrator.views.rotation import explanation_json


def add(app: FastAPI, console: Console) -> None:
    """Add the files of each rotation."""

    @app.get("/rotations/{rotation}/json")
    def download(rotation: str) -> Response:
        keyturn = console.keyturn
        explanation = keyturn.rotations.explain(rotation)
        record = explanation_json(explanation, keyturn.rotations.now())
        text = escape_json(json.dumps(record, ensure_ascii=False, indent=2))
        name = f"rotation-{explanation.rotation.id}.json"  # an id has letters and digits only
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(f"{text}\n", media_type="application/json", headers=headers)

    @app.get("/rotations/{rotation}/evidence")
    def evidence(rotation: str) -> Response:
        made = console.keyturn.evidence.of(rotation)
        return Response(text_of_evidence(made), media_type="application/json", headers=attached(made))
