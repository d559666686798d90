"""What is authenticated of a rotation and of a connection's certificate, in one form."""

import json
from dataclasses import replace

import pytest
from support.factories import a_candidate, a_rotation

from persistence import authenticity
from persistence.journal import Head
from states.certificate import Certificate
from states.rotation import Proofs, Rotation

CANDIDATE = a_candidate()
WHOLE = a_rotation(previous=CANDIDATE.certificate, proofs=Proofs(candidate=CANDIDATE))


@pytest.mark.parametrize("rotation", [a_rotation(), WHOLE, replace(WHOLE, reason='a "quoted", [listed] reason\n')])
def test_the_parts_of_a_rotation_make_one_canonical_text(rotation: Rotation) -> None:
    """The content is the JSON of one list in its canonical form: no value can pass as two, or as a part of another."""
    content = authenticity.of_rotation(rotation, Head(3, "0" * 64))
    assert json.dumps(json.loads(content), sort_keys=True, separators=(",", ":")).encode() == content


@pytest.mark.parametrize("current", [None, CANDIDATE.certificate])
def test_the_parts_of_a_current_certificate_make_one_canonical_text(current: Certificate | None) -> None:
    """Likewise the certificate of a connection."""
    content = authenticity.of_current("acme", current, None)
    assert json.dumps(json.loads(content), sort_keys=True, separators=(",", ":")).encode() == content
