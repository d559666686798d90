"""The console: a face in the browser, on loopback. Its pages are made by the server; reading needs no JavaScript.

``server`` runs it · ``guard`` refuses what does not come from a signed-in person's own page · ``app`` has the routes ·
``live`` sends each open page what changed · the modules named after pages gather what ``templates/`` show.

Nothing is decided here: pages show what `orchestrator.operations` says, and post to the verbs there.
"""
