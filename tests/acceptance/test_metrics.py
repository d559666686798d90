"""`keyturn metrics` of the installed program: as text, as data, and as a file for a collector."""

import json
import stat
from pathlib import Path

from acceptance.installed_keyturn import NAME, InstalledKeyturn


def test_the_text_format(connected: InstalledKeyturn) -> None:
    """Every metric has its help, its type and its samples."""
    lines = connected("metrics").stdout.splitlines()
    assert "# TYPE keyturn_connections gauge" in lines
    assert "keyturn_connections 1.0" in lines
    assert 'keyturn_rotations_total{ending="completed"} 0.0' in lines


def test_metrics_as_data(connected: InstalledKeyturn) -> None:
    """As JSON, each metric with its samples; as names, one a line."""
    found = {each["name"]: each for each in json.loads(connected("metrics", "-o", "json").stdout)}
    assert [{"name": "keyturn_connections", "labels": {}, "value": 1}] == found["keyturn_connections"]["samples"]
    assert list(found) == connected("metrics", "-o", "name").stdout.split()


def test_a_file_for_a_collector(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """The file is readable for the collector's user, replaces the one before, and leaves nothing next to it."""
    connected("rotate", NAME)
    file = tmp_path / "collector" / "keyturn.prom"
    file.parent.mkdir()
    file.write_text("before")
    connected("metrics", "--textfile", file)
    assert (0o644, [file]) == (stat.S_IMODE(file.stat().st_mode), list(file.parent.iterdir()))
    text = file.read_text()
    assert 'keyturn_rotations_total{ending="completed"} 1.0' in text
    assert f'keyturn_certificate_not_after_timestamp_seconds{{connection="{NAME}"}}' in text
    assert f'connection="{NAME}"' not in connected("metrics", "--within", "30d").stdout


def test_a_file_that_cannot_be_written(connected: InstalledKeyturn, tmp_path: Path) -> None:
    """A folder that is missing is named, and the command fails."""
    run = connected("metrics", "--textfile", tmp_path / "nowhere" / "keyturn.prom")
    assert 2 == run.returncode
    assert f"{tmp_path}/nowhere/keyturn.prom: No such file or directory. [INVALID_INPUT]" in run.stderr
