"""The served page in a real browser: chosen, pasted, dropped and photographed pictures, phone, dark mode, keyboard.

With EDGE_CIFAR_PICTURES naming a folder, the screenshot that the documents show is written there.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageStat
from support import ROOT
from support.browser import needs_chromium
from support.devtools import Browser
from support.serve import picture, predicted, running, served_models

from edge_cifar.documents.bundle import MANIFEST, Bundle
from edge_cifar.documents.reference import Reference
from edge_cifar.serve.worker_pool import WorkerPool

pytest.importorskip("flask", reason="serving needs Flask")
pytest.importorskip("waitress", reason="serving needs waitress")
pytestmark = needs_chromium

SHOWN = ROOT / "models" / "mobilenetv2" / "export"
ANSWERED = "document.querySelectorAll('#answers article').length === 3"


@pytest.fixture(scope="module")
def address(tiny_bundle: Bundle) -> Iterator[str]:
    pool = WorkerPool(served_models(tiny_bundle, "tflite-fp32", "tflite-int8", "onnx-int8"), workers=1, places=8)
    with running(pool) as server:
        yield server.url
    pool.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    switches = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with Browser(tmp_path_factory.mktemp("browser"), *switches) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Browser:
    browser.size(1100, 800)
    browser.colours("light")
    browser.open(f"{address}/")
    browser.wait_until("document.getElementById('status').textContent.includes('ready')")
    return browser


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(picture())
    return path


def test_chosen_picture_is_answered_by_every_artifact(page: Browser, address: str, path: Path) -> None:
    page.choose_file("#file", path)
    page.wait_until(ANSWERED)
    text = page.text()
    for result in predicted(address, path.read_bytes())["results"]:
        assert result["name"] in text
        likeliest = result["predictions"][0]
        assert f"{likeliest['label']}" in text
        assert f"{100 * likeliest['probability']:.1f} %" in text
    assert text.count(" ms") == 3
    assert "center-cropped from 48×32" in text
    values = page.evaluate("[...document.querySelectorAll('meter')].map((bar) => bar.value)")
    assert len(values) == 9
    assert all(0 <= value <= 1 for value in values)
    assert page.complaints() == []


@pytest.mark.parametrize(("event", "transfer"), [("paste", "clipboardData"), ("drop", "dataTransfer")])
def test_pasted_and_dropped_pictures_are_answered(event: str, transfer: str, page: Browser, path: Path) -> None:
    kind = {"paste": "ClipboardEvent", "drop": "DragEvent"}[event]
    page.evaluate(
        f"""(() => {{
          const bytes = Uint8Array.from(atob('{base64.b64encode(path.read_bytes()).decode()}'), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], 'cat.png', {{ type: 'image/png' }}));
          document.dispatchEvent(new {kind}('{event}', {{ {transfer}: data, bubbles: true }}));
        }})()"""
    )
    page.wait_until(ANSWERED)
    assert page.complaints() == []


def test_photograph_of_the_camera_is_answered(page: Browser) -> None:
    page.evaluate("document.getElementById('camera').click()")
    page.wait_until("document.getElementById('video').videoWidth > 0")
    page.evaluate("document.getElementById('shoot').click()")
    page.wait_until(ANSWERED)
    assert not page.evaluate("document.getElementById('viewfinder').open")
    assert page.evaluate("document.getElementById('video').srcObject === null")


def test_refusal_is_shown_and_the_next_picture_answered(page: Browser, path: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("sunny")
    page.choose_file("#file", tmp_path / "notes.png")
    page.wait_until("document.querySelector('#status.bad')")
    assert "not an image" in page.text()
    page.choose_file("#file", path)
    page.wait_until(ANSWERED)
    assert not page.evaluate("document.querySelector('#status.bad')")


def test_hostile_names_stay_text(page: Browser, path: Path, tmp_path: Path) -> None:
    hostile = path.rename(tmp_path / "<img src=x onerror=console.error('broken-out')>.png")
    page.choose_file("#file", hostile)
    page.wait_until(ANSWERED)
    assert not any("broken-out" in line for line in page.complaints())


def test_every_control_is_reached_by_the_keyboard_and_named(page: Browser) -> None:
    reached = []
    for _ in range(4):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached[:3] == ["file", "camera", "openapi.json"]
    nameless = """[...document.querySelectorAll('button, input, meter, img, a')]
      .filter((one) => one.checkVisibility())
      .filter((one) => !(one.ariaLabel || one.alt || one.textContent || one.labels?.[0]?.textContent)).length"""
    assert page.evaluate(nameless) == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.getElementById('status').getAttribute('role')") == "status"


@pytest.mark.parametrize("width", [320, 390])
def test_phone_shows_everything_without_scrolling_sideways(width: int, page: Browser, address: str, path: Path) -> None:
    page.size(width, 800, mobile=True)
    page.open(f"{address}/?phone")
    assert page.evaluate("document.getElementById('capture').checkVisibility()")
    page.choose_file("#photo", path)
    page.wait_until(ANSWERED)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    buttons = "[...document.querySelectorAll('.button')].filter((one) => one.checkVisibility())"
    heights = page.evaluate(f"{buttons}.map((one) => one.offsetHeight)")
    assert min(heights) >= 44
    page.size(1100, 800)


def test_dark_mode_is_dark_and_can_be_read(page: Browser, path: Path, tmp_path: Path) -> None:
    page.choose_file("#file", path)
    page.wait_until(ANSWERED)
    brightness = {}
    for scheme in ("light", "dark"):
        page.colours(scheme)
        page.screenshot(tmp_path / f"{scheme}.png")
        with Image.open(tmp_path / f"{scheme}.png") as shot:
            brightness[scheme] = ImageStat.Stat(shot.convert("L")).median[0]
        assert contrasts(page) >= 4.5, scheme
    assert brightness["dark"] < 60 < 200 < brightness["light"]


def contrasts(page: Browser) -> float:
    """The least contrast of a text with what lies behind it, by WCAG 2.1's formula."""
    value: float = page.evaluate(
        """(() => {
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const luminance = (colour) => rgb(colour).slice(0, 3)
            .map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
            .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
          const behind = (one) => {
            for (let place = one; place; place = place.parentElement) {
              const colour = getComputedStyle(place).backgroundColor;
              if (rgb(colour).length < 4 || rgb(colour)[3] > 0) return colour;
            }
          };
          const texts = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() &&
            [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
          return Math.min(...texts.map((one) => {
            const [dark, light] = [getComputedStyle(one).color, behind(one)].map(luminance).sort((a, b) => a - b);
            return (light + 0.05) / (dark + 0.05);
          }));
        })()"""
    )
    return value


@pytest.mark.skipif("EDGE_CIFAR_PICTURES" not in os.environ, reason="no EDGE_CIFAR_PICTURES to write screenshots to")
def test_screenshot_for_the_documents(browser: Browser, tmp_path: Path) -> None:
    if not (SHOWN / MANIFEST).is_file():
        pytest.skip(f"{SHOWN} is not exported here")
    bundle = Bundle.open(SHOWN)
    reference = Reference.read(bundle.reference_path)
    # A picture that the network finds neither obvious nor hard.
    number = np.abs(reference.probabilities.max(axis=1) - 0.8).argmin()
    path = tmp_path / "picture.png"
    Image.fromarray(reference.images[number]).resize((256, 256), Image.Resampling.LANCZOS).save(path)
    variants = [str(one.variant) for one in bundle.artifacts if one.variant.format != "coreml"]
    pool = WorkerPool(served_models(bundle, *variants), workers=1, places=8)
    with running(pool) as server:
        browser.size(1100, 860)
        browser.colours("light")
        browser.open(f"{server.url}/")
        browser.choose_file("#file", path)
        browser.wait_until(f"document.querySelectorAll('#answers article').length === {len(variants)}")
        browser.evaluate("document.activeElement.blur()")
        picture = Path(os.environ["EDGE_CIFAR_PICTURES"]) / "serve.png"
        browser.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    pool.close()
