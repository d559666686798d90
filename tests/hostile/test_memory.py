"""What a worker that runs for months must not keep."""

import gc
from dataclasses import replace

from orchestrator.adapters.http import Http
from orchestrator.bootstrap import Keyturn


def test_a_connection_that_changes_leaves_nothing_behind(app: Keyturn) -> None:
    """However often it is edited, there are adapters only for the current version of the connection."""

    def adapters() -> int:
        gc.collect()
        return sum(isinstance(each, Http) for each in gc.get_objects())

    app.connect("acme")
    before = adapters()
    for days in range(30, 40):
        connection = app.connections.show("acme")
        app.connections.edit(replace(connection, policy=replace(connection.policy, days=days)), {}, actor="tester")
        app.connect("acme")
    assert before == adapters()
