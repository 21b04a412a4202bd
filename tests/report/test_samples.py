"""The samples under docs/samples: what can be run here answers as we do.

With EDGE_CIFAR_PICTURES naming a folder, the screenshot that the documents show is written there.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import ROOT
from support.browser import needs_chromium
from support.devtools import Browser

from edge_cifar import model_files
from edge_cifar.documents.bundle import Bundle
from edge_cifar.documents.reference import Reference

SAMPLES = ROOT / "docs" / "samples"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


def answers(bundle: Bundle, variant: str, image: np.ndarray[Any, Any]) -> dict[str, float]:
    """Ours: the probability of each label."""
    (artifact,) = [one for one in bundle.artifacts if str(one.variant) == variant]
    probabilities = model_files.load(artifact.path).predict(image[None])[0]
    return dict(zip(artifact.labels, probabilities.tolist(), strict=True))


@pytest.fixture(scope="module")
def images(tiny_bundle: Bundle) -> np.ndarray[Any, Any]:
    return Reference.read(tiny_bundle.reference_path).first(4).images


# ---- on a Raspberry Pi


@pytest.fixture(scope="module")
def camera() -> ModuleType:
    pytest.importorskip("ai_edge_litert", reason="the sample needs LiteRT")
    spec = importlib.util.spec_from_file_location("camera", SAMPLES / "pi" / "camera.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("variant", ["tflite-fp32", "tflite-fp16", "tflite-int8"])
def test_the_pis_sample_answers_as_we_do(
    variant: str, camera: ModuleType, tiny_bundle: Bundle, images: np.ndarray[Any, Any]
) -> None:
    classifier = camera.Classifier(tiny_bundle.path, variant, threads=1)
    for image in images:
        told = classifier(Image.fromarray(image))
        assert dict(told) == pytest.approx(answers(tiny_bundle, variant, image), abs=1e-6)
        assert [probability for _, probability in told] == sorted((one for _, one in told), reverse=True)


def test_the_pis_loop_tells_each_frame(
    camera: ModuleType,
    tiny_bundle: Bundle,
    images: np.ndarray[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(camera, "frames", lambda: map(Image.fromarray, images))
    camera.main(str(tiny_bundle.path), "tflite-int8")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(images)
    assert all(line.split()[0] in tiny_bundle.artifacts[0].labels and " ms" in line for line in lines)


# ---- in the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Iterator[tuple[str, Path]]:
    """The sample with its one dependency and a bundle, on a web server of Python's own."""
    folder = tmp_path_factory.mktemp("site")
    for path in (SAMPLES / "browser").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    _fetch_runtime(folder)
    shutil.copytree(tiny_bundle.path, folder / "export", ignore=shutil.ignore_patterns("*.mlpackage", "*.tflite"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def _fetch_runtime(folder: Path) -> None:
    """onnxruntime-web from npm, at the version that the sample names: the two files that it loads."""
    if shutil.which("npm") is None:
        pytest.skip("npm, which brings onnxruntime-web, is not installed")
    ((name, version),) = json.loads((folder / "package.json").read_text())["dependencies"].items()
    command = ["npm", "pack", "--silent", "--prefer-offline", f"{name}@{version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{name} {version} cannot be had from npm: {done.stderr.strip()[-200:]}")
    (packed,) = folder.glob("*.tgz")
    target = folder / "node_modules" / name / "dist"
    target.mkdir(parents=True)
    with tarfile.open(packed) as archive:
        for file in RUNTIME:
            member = archive.extractfile(f"package/dist/{file}")
            assert member is not None
            (target / file).write_bytes(member.read())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, site: tuple[str, Path]) -> Iterator[Browser]:
    switches = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with Browser(tmp_path_factory.mktemp("browser"), *switches) as browser:
        browser.size(480, 760)
        yield browser


@needs_chromium
@pytest.mark.parametrize("variant", ["onnx-fp32", "onnx-fp16", "onnx-int8"])
def test_the_browsers_sample_answers_as_we_do(
    variant: str, browser: Browser, site: tuple[str, Path], tiny_bundle: Bundle, images: np.ndarray[Any, Any]
) -> None:
    url, folder = site
    browser.open(f"{url}/package.json")
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    told = browser.evaluate(
        f"""(async () => {{
          const {{ Classifier }} = await import("/classifier.js");
          const classifier = await Classifier.load("/export", "{variant}");
          const told = [];
          for (let number = 0; number < {len(images)}; number++) {{
            const image = new Image();
            image.src = `/${{number}}.png`;
            await image.decode();
            told.push(await classifier.classify(image));
          }}
          return told;
        }})()"""
    )
    # WebAssembly's int8 kernels round other sums than ours, in every layer: six steps of 1/255 were seen.
    within = 0.1 if variant == "onnx-int8" else 1e-3
    for image, answer in zip(images, told, strict=True):
        probabilities = {one["label"]: one["probability"] for one in answer}
        assert probabilities == pytest.approx(answers(tiny_bundle, variant, image), abs=within)


@needs_chromium
def test_the_browsers_page_tells_what_camera_and_picture_show(
    browser: Browser, site: tuple[str, Path], tiny_bundle: Bundle, images: np.ndarray[Any, Any]
) -> None:
    url, folder = site
    browser.open(f"{url}/index.html")
    browser.wait_until("document.querySelectorAll('meter').length === 3")
    probabilities = answers(tiny_bundle, "onnx-fp32", images[0])
    label = max(probabilities, key=lambda name: probabilities[name])
    path = folder / "shown.png"
    Image.fromarray(images[0]).resize((320, 320), Image.Resampling.NEAREST).save(path)
    browser.choose_file("#file", path)
    browser.wait_until(f"document.querySelector('output span').textContent === '{label}'")
    assert browser.complaints() == []
    if "EDGE_CIFAR_PICTURES" in os.environ:
        browser.screenshot(Path(os.environ["EDGE_CIFAR_PICTURES"]) / "sample-browser.png")
