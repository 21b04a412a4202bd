"""The commands: one module each, found by file name."""
