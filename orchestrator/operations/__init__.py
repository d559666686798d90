"""Every verb, once: the only way in for the command line, the worker and every other face."""
