"""`keyturn suitescript export`: the RESTlet's project, to be deployed to NetSuite."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.context import Given
from orchestrator.cli.exit_codes import Exit
from orchestrator.operations import suitescript
from orchestrator.views import formatting

app = App(name="suitescript", help="Write the SuiteCloud project that NetSuite's administrator deploys.")


@app.command
def export(
    place: Annotated[Path, Parameter(help="The folder to make, or with --zip the file.")],
    /,
    *,
    zip_file: Annotated[
        bool, Parameter(name="--zip", negative=(), show_default=False, help="Make one zip file of it, to hand on.")
    ] = False,
    context: Given,
) -> int:
    """Write the SuiteCloud project of the RESTlet, its role and its deployment.

    It is the one that this Keyturn works with; deploy it again after an update. Its README.md says how, also without
    SuiteCloud, and what each permission is for.

    ```
    keyturn suitescript export keyturn-suitescript
    keyturn suitescript export keyturn-suitescript.zip --zip
    ```
    """
    paths = suitescript.export_zip(place) if zip_file else suitescript.export(place)
    text = f"{place}, with {formatting.count(len(paths), 'file')}"
    context.out.show({"place": str(place), "files": paths}, str(place), [("written", text)])
    if zip_file:
        context.out.note("Its README.md says how to deploy it.")
    else:
        folder = shlex.quote(str(place))
        context.out.note(
            f"Deploy it: `cd {folder} && suitecloud account:setup && suitecloud project:deploy`, or by hand as "
            "its README.md says."
        )
    return Exit.FINE
