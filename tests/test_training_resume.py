"""Killed at any moment and resumed, a deterministic training ends with the very same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="bit-for-bit resumption is promised for TensorFlow on a CPU")

# One process for all, since starting TensorFlow costs more than training this little. The training is cut
# off by an interrupt raised at the N-th reported step, wherever in an epoch or a phase that falls.
_SCRIPT = """
import json, sys
from contextlib import contextmanager
from pathlib import Path
import numpy as np
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar import backbones
from edge_cifar.steps.train import train

folder = Path(sys.argv[1])
resnet8 = backbones.get("resnet8")
resnet8.recipes["default"] = Recipe(
    batch_size=40, optimizer="adamw", weight_decay=0.01, batch_norm_momentum=0.9,
    augmentation=Augmentation(flip=True, translation=0.1, cutout=0.3, mixup=0.2, cutmix=True), weight_averaging=0.9,
    views=2,
    phases={
        "images": (
            Phase(name="head", epochs=1, trainable="head", learning_rate=1e-3),
            Phase(name="rest", epochs=3, learning_rate=1e-3, schedule="cosine", reestimate_batch_norm=True),
        ),
        "features": (
            Phase(name="head", epochs=4, trainable="head", learning_rate=1e-3),
            Phase(name="rest", epochs=4, trainable="stack3", learning_rate=1e-3, reestimate_batch_norm=True),
        ),
    }[sys.argv[2]],
)

class Cut:
    def __init__(self, at):
        self.left = at
    @contextmanager
    def bar(self, label, total):
        def advance(units):
            self.left -= units
            if self.left < 0:
                raise KeyboardInterrupt
        yield advance
    def say(self, text):
        pass

def run(name, at, resume=False):
    return train("resnet8", data="synthetic", limit=300, seed=3, deterministic=True, validation_split=0.2,
                 out=folder / name, progress=Cut(at), resume=resume, device="cpu")

def weights(run):
    import keras
    return keras.saving.load_model(run.model_path, compile=False).get_weights()

whole_run = run("whole", 10**9)
whole = weights(whole_run)
cached = all(phase["features"]["cut"] for phase in whole_run.record()["phases"])
for at in map(int, sys.argv[3:]):
    name = f"cut-{at}"
    try:
        run(name, at)
        raise SystemExit(f"not interrupted at {at}")
    except KeyboardInterrupt:
        pass
    finished_early = (folder / name / "record.json").exists()
    resume = (folder / name / "checkpoint" / "state.npz").exists()
    features = sorted((folder / name / "checkpoint").glob("features/[0-9]*/train.npy"))
    if len(features) == 1:
        # A cache that was damaged meanwhile is made anew.
        with features[0].open("r+b") as file:
            file.seek(-8, 2)
            file.write(b"damaged!")
    resumed = weights(run(name, 10**9, resume=resume))
    same = all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
    print(json.dumps({"at": at, "same": same, "finished_early": finished_early, "resumed": resume,
                      "cached": cached, "caches": len(features)}))
"""


def _outcomes(folder: Path, recipe: str, cuts: list[str]) -> list[dict[str, object]]:
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), str(folder), recipe, *cuts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["at"] for outcome in outcomes] == list(map(int, cuts))
    return outcomes


@pytest.mark.timeout(600)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    # 240 training images in batches of 40: six steps an epoch, four epochs.
    outcomes = _outcomes(tmp_path, "images", ["2", "7", "15", "23"])
    assert not any(outcome["cached"] for outcome in outcomes)
    assert all(outcome["same"] for outcome in outcomes)
    assert not any(outcome["finished_early"] for outcome in outcomes)
    assert all(outcome["resumed"] for outcome in outcomes)


@pytest.mark.timeout(600)
def test_on_cached_features_too(tmp_path: Path) -> None:
    # Two views of 240 training images and 60 validation images go through the network, first to the cut of the
    # second phase, then to that of the first: 1,080 images are reported; then six steps an epoch, eight epochs.
    outcomes = _outcomes(tmp_path, "features", ["700", "1090", "1114"])
    assert all(outcome["cached"] for outcome in outcomes)
    assert all(outcome["same"] for outcome in outcomes)
    # Killed while features are made, in the first phase, and in the second with the cache damaged afterwards.
    assert [outcome["caches"] for outcome in outcomes] == [1, 2, 1]
    assert all(outcome["resumed"] for outcome in outcomes)
