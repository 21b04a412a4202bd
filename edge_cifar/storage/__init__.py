"""Files: written whole or not at all, locked, unpacked and parsed without trust."""
