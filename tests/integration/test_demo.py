"""The demo's own processes."""

import os
from pathlib import Path

import pytest
from support.polling import until

from orchestrator.bootstrap import Keyturn
from orchestrator.cli.demo.environment import Environment
from orchestrator.operations.workers import Role
from simulator import Simulator


def test_a_worker_is_of_this_keyturn(
    app: Keyturn, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's worker runs the installed Keyturn, and no package of its name in the folder that a person is in."""
    other = tmp_path / "elsewhere" / "orchestrator"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise SystemExit('another package')")
    monkeypatch.chdir(other.parent)
    demo = Environment(tmp_path, app, simulator, dict(os.environ))
    demo.start_worker()
    try:
        until(lambda: any(each.role is Role.WORKER for each in app.workers.alive()))
    finally:
        demo.stop_workers()
