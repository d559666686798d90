"""The JSON shapes that the command line, the API, the console and alerts share: one module for each thing.

They are stable: fields may be added, none is renamed or removed. Times are ISO 8601 in UTC
(``2026-11-23T20:15:03.123Z``), spans are seconds, fingerprints 64 lower-case hex digits (SHA-256 of the DER encoding).
Nothing secret is ever in one. Each function's docstring names its fields.
"""
