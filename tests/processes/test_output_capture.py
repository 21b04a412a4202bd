"""What native libraries print is caught, and the streams are as they were afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_cifar.processes import output_capture


def test_a_stream_that_somebody_kept_goes_in_silence_after_the_one_it_led_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "errors.txt").open("w", encoding="utf-8") as original:
        monkeypatch.setattr(sys, "stderr", original)
        with output_capture.captured() as chatter:
            kept = sys.stderr
            kept.write("caught")
        kept.write("handed back")
        kept.flush()
    kept.flush()
    assert (chatter.text, (tmp_path / "errors.txt").read_text(encoding="utf-8")) == ("caught", "handed back")
