"""A camera loop on a Raspberry Pi: what an exported .tflite file sees, frame by frame.

    pip install ai-edge-litert numpy pillow     # and, for the Pi's own camera: sudo apt install python3-picamera2
    python camera.py export tflite-int8

Reads the bundle's manifest for the file and the labels, so it works with any bundle of edge-cifar, and needs
nothing of edge-cifar itself.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps


class Classifier:
    """A .tflite artifact: an RGB picture in, (label, probability) out, the likeliest first."""

    def __init__(self, bundle: Path, variant: str, threads: int = 4) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text())
        (artifact,) = [one for one in manifest["artifacts"] if one["variant"] == variant]
        self.labels = artifact["labels"]
        self.interpreter = Interpreter(str(bundle / artifact["file"]), num_threads=threads)
        self.interpreter.allocate_tensors()
        (self.input,) = self.interpreter.get_input_details()
        (self.output,) = self.interpreter.get_output_details()

    def __call__(self, picture: Image.Image) -> list[tuple[str, float]]:
        _, height, width, _ = self.input["shape"]
        # Raw pixels, 0..255: rescaling and everything else is inside the file. Int8 takes the bytes themselves.
        fitted = ImageOps.fit(picture.convert("RGB"), (width, height), method=Image.Resampling.BICUBIC)
        self.interpreter.set_tensor(self.input["index"], np.asarray(fitted, self.input["dtype"])[np.newaxis])
        self.interpreter.invoke()
        answer = self.interpreter.get_tensor(self.output["index"])[0].astype(np.float32)
        scale, zero_point = self.output["quantization"]
        if scale:  # an int8 file's probabilities are bytes
            answer = (answer - zero_point) * scale
        return sorted(zip(self.labels, answer.tolist(), strict=True), key=lambda pair: -pair[1])


def frames() -> Iterator[Image.Image]:
    """What the Pi's camera sees, until Ctrl-C. Not run in this project's tests: it needs the camera."""
    from picamera2 import Picamera2

    camera = Picamera2()
    camera.configure(camera.create_video_configuration({"size": (640, 480), "format": "BGR888"}))
    camera.start()
    while True:
        yield Image.fromarray(camera.capture_array())  # picamera2's BGR888 is R, G, B in memory


def main(bundle: str, variant: str) -> None:
    """Print the likeliest class of each frame."""
    classifier = Classifier(Path(bundle), variant)
    for frame in frames():
        start = time.perf_counter()
        label, probability = classifier(frame)[0]
        print(f"{label:12} {probability:6.1%}  {1e3 * (time.perf_counter() - start):6.2f} ms", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
