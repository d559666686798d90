"""The signature is that of the specification's own example; the secret's file is checked."""

import base64
from pathlib import Path

import pytest

from orchestrator.adapters.webhook import read_secret, sign
from states.errors import InvalidSettings


def test_a_signature_is_as_the_specification_has_it() -> None:
    """The example of Standard Webhooks' own libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("content", ["", "whsec_", "not base64!", "c2hvcnQ=", base64.b64encode(b"x" * 65).decode()])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: str) -> None:
    """It is empty, no base64, too short or too long; the message names the setting and not the content."""
    file = tmp_path / "secret"
    file.write_text(content)
    with pytest.raises(InvalidSettings, match=r"alerts\.routes\.ops\.secret_file"):
        read_secret("ops", file)
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_secret("ops", tmp_path / "missing")
