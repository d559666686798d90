"""The files that pages load: all of them from the wheel, each under a name that changes with its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
FOREVER: Final = "private, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    media_type: str


def load() -> tuple[Mapping[str, Asset], Mapping[str, str]]:
    """Return the files by the last part of their paths, and these paths by the files' own names."""
    assets: dict[str, Asset] = {}
    paths: dict[str, str] = {}
    for file in (files("orchestrator.console") / "assets").iterdir():
        stem, dot, ending = file.name.rpartition(".")
        media_type = _TYPES.get(dot + ending)
        if media_type is None:
            continue
        content = file.read_bytes()
        name = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
        assets[name] = Asset(content, media_type)
        paths[file.name] = f"/assets/{name}"
    return assets, paths
