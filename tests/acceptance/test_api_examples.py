"""Every request that the page on the API shows does what the page says, with curl."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.documentation import ROOT, steps
from support.api import Program, add_token
from support.console import running_console, running_worker
from support.environment import NAME, connect, keyturn
from support.polling import WAIT_LIMIT
from support.request_history import judged_simulator

from states.access import Role
from states.state import State

PAGE = ROOT / "docs" / "how-to" / "api.md"
MARK = "=== "


@pytest.mark.skipif(
    not shutil.which("curl") and os.environ.get("REQUIRE") != "all", reason="needs curl; REQUIRE=all fails without it"
)
def test_the_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's requests work in their order: they read, start a rotation, follow it to its end, and act on it."""
    typed = [step.typed for step in steps(PAGE)]
    assert 20 == len(typed)
    with (
        judged_simulator() as simulator,
        keyturn(tmp_path / "keyturn", monkeypatch) as app,
        running_console(app) as console,
        running_worker(app),
    ):
        connect(app, simulator.credentials)
        secret = add_token(app, "nightly", Role.ADMINISTRATOR)
        script = "\n".join(f"echo '{MARK}{number}'\n{line}\necho" for number, line in enumerate(typed))
        script = script.replace("127.0.0.1:8742", f"127.0.0.1:{console.port}").replace(
            "python -c", f"{sys.executable} -c"
        )
        ran = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "TOKEN": secret},
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_LIMIT,
        )
        assert 0 == ran.returncode, ran.stderr + ran.stdout
        answers = [part.partition("\n")[2].strip() for part in ran.stdout.split(MARK)[1:]]
        started = json.loads((tmp_path / "rotation.json").read_text())
        shown = Program(console.port, secret).get(f"/rotations/{started['id']}").json()["rotation"]
    assert (NAME, State.COMPLETED, "yearly") == (shown["connection"], shown["state"], shown["reason"])
    by_request = dict(zip(typed, answers, strict=True))
    followed = next(answer for line, answer in by_request.items() if "/events" in line)
    assert f'"to": "{State.COMPLETED}"' in followed.splitlines()[-1]
    for line, answer in by_request.items():
        is_refused = "/resume" in line  # it is completed by then
        if answer and "diagram" not in line and "/events" not in line:
            assert is_refused == ("code" in json.loads(answer) and json.loads(answer)["code"] == "ILLEGAL_MOVE"), answer
    assert 0o600 == (tmp_path / "token").stat().st_mode & 0o777
