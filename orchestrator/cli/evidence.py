"""`keyturn rotation evidence` and `keyturn evidence verify`: a rotation's evidence as a file that others can check."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli import new_file
from orchestrator.cli.arguments import RotationId, flag
from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations import evidence as evidences
from orchestrator.operations.evidence_check import LIMITS
from orchestrator.views import formatting
from orchestrator.views.evidence import file_name, text
from orchestrator.views.evidence_format import Evidence
from orchestrator.views.values import Json

app = App(name="evidence", help="Check a rotation's evidence file, without database and network.")


def evidence(
    rotation: RotationId,
    /,
    *,
    file: Annotated[
        Path | None, Parameter(help="The file to make. Default: evidence-ID.json in the current folder.")
    ] = None,
    context: Given,
) -> int:
    """Write a rotation's evidence into one file: timeline, certificates, challenges, signatures, journal. No secret.

    The vault's key checks all of it first. Who gets the file can check it with `keyturn evidence verify`, and with
    openssl. Keep the digest that is printed elsewhere: by it, a copy shows whether it was changed.

    ```
    keyturn rotation evidence acme
    keyturn rotation evidence 01M8556X --file acme-november.json
    ```
    """
    with context.keyturn() as keyturn:
        made = keyturn.evidence.of(rotation)
    place = file or Path(file_name(made))
    new_file.make(place, text(made), option="--file")
    record = {
        "file": str(place),
        "rotation": made["rotation"]["id"],
        "connection": made["rotation"]["connection"],
        "state": made["rotation"]["state"],
        "entries": made["chain"]["entries"],
        "signatures": len(made["netsuite"]),
        "digest": made["digest"],
    }
    rows = [("written", record["file"]), ("rotation", f"{record['rotation']} of {record['connection']}")]
    context.out.show(record, record["file"], [*rows, ("digest", record["digest"])])
    command = f"keyturn evidence verify {shlex.quote(record['file'])}"
    context.out.note(f"Keep the digest elsewhere. Anyone can check the file: `{command}`.")
    return Exit.FINE


@app.command
def verify(
    file: Annotated[Path, Parameter(help="The evidence file.")],
    /,
    *,
    with_key: Annotated[
        bool, flag("Check with this installation's key, too, that this installation wrote the file.")
    ] = False,
    context: Given,
) -> int:
    """Check an evidence file. Needs nothing but the file: no database, no settings, no network.

    Exits with 1 when something in it does not hold, and names all of it, the most harmful first. The file agrees with
    itself then; what it cannot show by itself is printed, too. With --with-key, where it was written, it shows that it
    is as it was written.

    ```
    keyturn evidence verify evidence-01M8556X7VSXRJ2A2GEDCR2AVE.json
    keyturn evidence verify evidence-01M8556X7VSXRJ2A2GEDCR2AVE.json --with-key
    ```
    """
    checked = evidences.check(evidences.read(file))
    if with_key:
        with context.keyturn() as keyturn:
            keyturn.evidence.check_origin(checked)
    shown, limits = _shown(checked, with_key=with_key), LIMITS[1:] if with_key else LIMITS
    record: Json = {
        "file": str(file),
        "rotation": checked.rotation.id,
        "connection": checked.rotation.connection,
        "state": checked.rotation.state.value,
        "digest": checked.digest,
        "written_here": True if with_key else None,
        "shown": shown,
        "not_shown": list(limits),
    }
    rows = [
        ("rotation", f"{checked.rotation.id} of {checked.rotation.connection}, {checked.rotation.state}"),
        ("digest", checked.digest),
        *[("shown" if not place else "", sentence) for place, sentence in enumerate(shown)],
        *[("not shown" if not place else "", sentence) for place, sentence in enumerate(limits)],
    ]
    context.out.show(record, checked.rotation.id, rows)
    if not with_key:
        context.out.note(f"Where the file was written: `keyturn evidence verify {shlex.quote(str(file))} --with-key`.")
    return Exit.FINE


def _shown(checked: Evidence, *, with_key: bool) -> list[str]:
    """What the check of the file has shown, in sentences."""
    certificates = [held for held in dict(checked.certificates).values() if held]
    written = ["This installation wrote the file, and nothing in it was changed since."] if with_key else []
    return [
        *written,
        f"{formatting.count(len(checked.netsuite), 'signature')} verified with the certificates in the file.",
        f"{formatting.count(len(certificates), 'certificate')}, with the fingerprints and validity that the file says.",
        f"{len(checked.journal)} moves and notes, all of them in the transition table, in a legal order: nothing was "
        "saved to OpenAir before NetSuite's confirmation was recorded.",
        "Each entry of the journal names the hash of the one before it, and none is missing in between.",
        "The digest is that of the file.",
    ]
