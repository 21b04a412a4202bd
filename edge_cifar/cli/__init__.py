"""The command line: one module a command, each with a ``command``; modules with a leading underscore help."""
