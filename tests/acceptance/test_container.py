"""The image and the Compose file: confined, with settings that Keyturn knows, and time to finish. Nothing is built."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from acceptance.documentation import ROOT
from acceptance.installed_keyturn import InstalledKeyturn

from orchestrator.settings import WorkerSettings
from orchestrator.settings_file import load

CONTAINERFILE: Final = (ROOT / "deploy" / "container" / "Containerfile").read_text("utf-8")
IGNORED: Final = (ROOT / "deploy" / "container" / "Containerfile.dockerignore").read_text("utf-8").splitlines()
COMPOSE: Final = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = {
    name: service for name, service in COMPOSE["services"].items() if service["image"] == "keyturn"
}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    """No root, no capability, no new rights, and no file system to write to but its own folders."""
    service = SERVICES[name]
    assert ("1000:1000", True, ["ALL"]) == (service["user"], service["read_only"], service["cap_drop"])
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert re.search(r"^USER 1000:1000$", CONTAINERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_keyturn_knows_every_setting_and_command(
    keyturn: InstalledKeyturn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """The environment of each service has settings that there are, and its command is one of Keyturn's."""
    service = SERVICES[name]
    block = re.search(r"^ENV (.*?[^\\])$", CONTAINERFILE, re.MULTILINE | re.DOTALL)
    assert block
    image = dict(re.findall(r"(\w+)=(\S+)", block[1]))
    assert {"CONFIGURATION_DIRECTORY", "KEYTURN_DATA"} <= image.keys()
    monkeypatch.delenv("KEYTURN_CONFIG", raising=False)
    for variable, value in {**image, **service["environment"]}.items():
        if variable != "PATH":
            monkeypatch.setenv(variable, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    settings = load()
    assert "postgresql://keyturn:secret@database/keyturn" == settings.store_url
    assert Path("/run/secrets") / service["secrets"][0] == settings.kek_file
    assert f"{image['KEYTURN_DATA']}" == str(settings.data) == service["volumes"][0].partition(":")[2]
    assert 0 == keyturn(*service["command"], "--help").returncode


def test_the_worker_may_finish_before_it_is_killed() -> None:
    """The grace period is longer than a worker goes on with a rotation that is between both systems."""
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > WorkerSettings().stop_within + 10


def test_the_tables_come_first() -> None:
    """The worker waits for the tables, and they wait for the database."""
    needs = {name: service["depends_on"] for name, service in SERVICES.items()}
    assert {"init": {"condition": "service_completed_successfully"}} == needs["worker"]
    assert {"database": {"condition": "service_healthy"}} == needs["init"]
    assert "healthcheck" in COMPOSE["services"]["database"]


def test_the_image_is_built_from_what_the_wheel_needs() -> None:
    """The build sees every folder and file of the wheel, and nothing that is not named."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = [*wheel["packages"], *wheel["force-include"], *wheel["shared-data"], "hatch_build.py", "constraints.txt"]
    allowed = [line.removeprefix("!") for line in IGNORED if line.startswith("!")]
    assert "*" in IGNORED
    missing = [path for path in wanted if not any(f"{path}/".startswith(f"{each}/") for each in allowed)]
    assert [] == missing
    assert [] == [each for each in allowed if not (ROOT / each).exists()]
