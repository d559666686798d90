"""The API: what programs read and do over HTTP, served by the process that serves the console.

A face of ``orchestrator/operations``, as the command line and the console are: it decides nothing, and its JSON is made
by ``orchestrator/views``.
"""
