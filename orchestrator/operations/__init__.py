"""Every verb, once: the one door for the command line, the worker and whatever else asks Keyturn to do something."""
