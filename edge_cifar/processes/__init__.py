"""Processes: how they are started and ended, their memory, and capturing their output."""
