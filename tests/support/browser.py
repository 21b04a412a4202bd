"""A page in headless Chromium: its elements after its scripts ran, its log, and a picture of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.pace import PATIENCE_SECONDS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def elements_and_log(page: Path, profile: Path, width: int = 390) -> tuple[str, str]:
    """The page's elements when nothing moves any more, and what the browser wrote to its log."""
    done = _run(page, profile, "--enable-logging=stderr", "--dump-dom", f"--window-size={width},2000")
    return done.stdout, done.stderr


def screenshot(
    page: Path, profile: Path, picture: Path, *, width: int = 1280, height: int = 900, dark: bool = False
) -> None:
    """The page's top as a PNG."""
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    _run(page, profile, *scheme, "--hide-scrollbars", "--window-size=1280,900", f"--screenshot={picture}")


def _run(page: Path, profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=60000",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
