"""Files: atomic writes, locks, and safe unpacking and parsing of untrusted files."""
