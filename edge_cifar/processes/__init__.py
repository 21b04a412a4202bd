"""Processes: how they are started, what they cost, how they end, and what they print."""
