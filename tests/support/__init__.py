"""What several tests share: small networks, stand-ins, damaged and changed files."""

from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
