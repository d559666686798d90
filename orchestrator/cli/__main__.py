"""`python -m orchestrator.cli`: the command line, also where the script `keyturn` is not on the path."""

from orchestrator.cli import main

main()
