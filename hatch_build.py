"""Writes the commit that a wheel is built from into it, for `keyturn version`."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds orchestrator/commit.txt where the wheel is built from a Git checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the interface's
        """Ask Git; without it, or outside a checkout, the wheel has no commit."""
        git = shutil.which("git")
        if git is None or not (Path(self.root) / ".git").exists():
            return
        command = [git, "-C", self.root, "rev-parse", "HEAD"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - its words are ours
        if asked.returncode == 0:
            file = Path(self.directory) / "commit.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(asked.stdout, "utf-8")
            build_data["force_include"][str(file)] = "orchestrator/commit.txt"
