"""What the command line, the API, the console and alerts share: JSON shapes, and words.

``formatting`` has times and spans, ``next_actions`` command lines and sentences for next actions, ``timeline`` the
words for a rotation's way and its journal. Every other module has the JSON shapes of one thing.

Shapes are stable: fields may be added, none is renamed or removed. Times are ISO 8601 in UTC
(``2026-11-23T20:15:03.123Z``), spans are seconds, fingerprints 64 lower-case hex digits (SHA-256 of the DER encoding).
Nothing secret is ever in one. Each function's docstring names its fields.
"""
