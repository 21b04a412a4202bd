"""Outcomes as a JUnit XML file, which CI systems read to show and gate on tests."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from edge_cifar.documents.verification import Verification
from edge_cifar.storage import files

# What XML 1.0 admits; a runtime's message may hold other control characters.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(path: Path, verifications: Sequence[Verification]) -> None:
    """Write one test suite with one case an artifact; an unverified artifact is a skipped case.

    Args:
        path: the XML file; it appears whole.
        verifications: in the order they are to be listed.

    Raises:
        EdgeCifarError: the file cannot be written.
    """
    suite = ElementTree.Element(
        "testsuite",
        name="edge-cifar verify",
        tests=str(len(verifications)),
        failures=str(sum(outcome.status == "fail" for outcome in verifications)),
        errors="0",
        skipped=str(sum(outcome.status == "unverified" for outcome in verifications)),
        time=f"{sum(outcome.seconds for outcome in verifications):.3f}",
    )
    for outcome in verifications:
        suite.append(_case(outcome))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    files.write_text(path, ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


def _case(outcome: Verification) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_text(f"edge-cifar.parity.{outcome.model}"),
        name=_text(outcome.name),
        time=f"{outcome.seconds:.3f}",
    )
    kind = {"fail": "failure", "unverified": "skipped"}.get(outcome.status)
    if kind:
        ElementTree.SubElement(case, kind, message=_text(outcome.reason or ""))
    ElementTree.SubElement(case, "system-out").text = _text(json.dumps(outcome.to_json(), allow_nan=False))
    return case


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)
