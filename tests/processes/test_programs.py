"""What other programs tell: nothing where they are absent, fail or hang."""

from __future__ import annotations

import sys

from edge_cifar.processes import programs

FAILING = ("-c", "print('known'); raise SystemExit(1)")


def test_what_is_printed_is_told_and_nothing_can_be_typed_into_it() -> None:
    assert programs.output(sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))") == "''\n"


def test_a_program_that_fails_tells_nothing_unless_a_part_will_do() -> None:
    assert programs.output(sys.executable, *FAILING) == ""
    assert programs.output(sys.executable, *FAILING, partial=True) == "known\n"


def test_one_that_is_absent_or_hangs_tells_nothing() -> None:
    assert programs.output("no-such-program-anywhere") == ""
    assert programs.output(sys.executable, "-c", "import time; time.sleep(60)", seconds=0.2) == ""
