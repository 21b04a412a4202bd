"""Killed at any moment and resumed, a deterministic training ends with the very same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow", reason="bit-for-bit resumption is promised for TensorFlow on a CPU")

# One process for all, since starting TensorFlow costs more than training this little, and a network of three
# convolutions, since compiling a deep one does too. It has all that a state can be: weights, moving statistics, random
# generators of dropout and augmentation. The training is cut off by an interrupt raised at the N-th reported step,
# wherever in an epoch or a phase that falls. Pictures of a finished training have no part in it and are left out.
_SCRIPT = """
import json, sys
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
import numpy as np
from edge_cifar.recipe import Augmentation, Phase, Recipe
from edge_cifar.backbones import resnet8
from edge_cifar.backbones.shared.convolutions import convolution, normalized
from edge_cifar.backbones.shared.heads import pooled
from edge_cifar.data.sets import synthetic
from edge_cifar.report import figures
from edge_cifar.steps.train import train

made = cache(synthetic.load)
load = lambda data_dir, seed, progress: made(data_dir=data_dir, seed=seed)
synthetic.DATA_SET = replace(synthetic.DATA_SET, load=load)
figures.curves = figures.confusion = figures.mistakes = lambda *_: None

def build(keras, hidden, *, classes, alpha):
    for stack in ("stack1", "stack2", "stack3"):
        hidden = convolution(keras, hidden, 8, strides=2, name=f"{stack}_conv")
        hidden = normalized(keras, hidden, relu=True, name=f"{stack}_bn")
    return pooled(keras, hidden, classes, dropout=0.2)

recipe = Recipe(
    batch_size=40, optimizer="adamw", weight_decay=0.01, batch_norm_momentum=0.9,
    augmentation=Augmentation(flip=True, translation=0.1, cutout=0.3, mixup=0.2, cutmix=True), weight_averaging=0.9,
    views=2,
    phases=(),
)
phases = {
    "images": (
        Phase(name="head", epochs=1, trainable="head", learning_rate=1e-3),
        Phase(name="rest", epochs=3, learning_rate=1e-3, schedule="cosine", reestimate_batch_norm=True),
    ),
    "features": (
        Phase(name="head", epochs=4, trainable="head", learning_rate=1e-3),
        Phase(name="rest", epochs=4, trainable="stack3", learning_rate=1e-3, reestimate_batch_norm=True),
    ),
}

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

def outcomes(cuts):
    whole_run = run("whole", 10**9)
    found = {"cached": all(phase["features"]["cut"] for phase in whole_run.record().to_json()["phases"]), "cuts": []}
    resume = False
    for at in cuts:
        try:
            run("cut", at, resume=resume)
            raise SystemExit(f"not interrupted at {at}")
        except KeyboardInterrupt:
            pass
        resume = (folder / "cut" / "checkpoint" / "state.npz").exists()
        features = sorted((folder / "cut" / "checkpoint").glob("features/[0-9]*/train.npy"))
        if len(features) == 1:
            # A cache that was damaged meanwhile is made anew.
            with features[0].open("r+b") as file:
                file.seek(-8, 2)
                file.write(b"damaged!")
        finished_early = (folder / "cut" / "record.json").exists()
        found["cuts"].append({"at": at, "resumed": resume, "finished_early": finished_early, "caches": len(features)})
    pairs = zip(weights(whole_run), weights(run("cut", 10**9, resume=resume)), strict=True)
    found["same"] = all(np.array_equal(a, b) for a, b in pairs)
    return found

found = {}
for name, cuts in json.loads(sys.argv[2]).items():
    folder = Path(sys.argv[1]) / name
    recipes = {"default": replace(recipe, phases=phases[name])}
    resnet8.BACKBONE = replace(resnet8.BACKBONE, build=build, recipes=recipes)
    found[name] = outcomes(cuts)
print(json.dumps(found))
"""

Outcomes = dict[str, Any]

# One training is cut off again and again, and goes on from where it was; each number counts from where that was.
#
# On images, 240 of them in batches of 40: six steps an epoch, four epochs. Cut before any epoch is done, at the start
# of the second phase, and within it, three epochs and three steps from the beginning.
#
# On features, two views of 240 training images and 60 validation images go through the network, first to the cut of
# the second phase, then to that of the first: 1,080 images are reported; then six steps an epoch, eight epochs. Cut
# while features are made, in the first phase, and in the second, with the cache damaged afterwards.
CUTS = {"images": [2, 7, 9], "features": [700, 1090, 28]}
CACHES = {"images": [0, 0, 0], "features": [1, 2, 1]}


def _outcomes(folder: Path, cuts: dict[str, list[int]]) -> dict[str, Outcomes]:
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), str(folder), json.dumps(cuts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Outcomes] = json.loads(done.stdout)
    for name, outcomes in found.items():
        assert [one["at"] for one in outcomes["cuts"]] == cuts[name]
        assert all(one["resumed"] and not one["finished_early"] for one in outcomes["cuts"])
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    return _outcomes(tmp_path_factory.mktemp("resumed"), CUTS)


@pytest.mark.parametrize("kind", CUTS)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(kind: str, outcomes: dict[str, Outcomes]) -> None:
    found = outcomes[kind]
    assert found["same"]
    assert found["cached"] is (kind == "features")
    assert [one["caches"] for one in found["cuts"]] == CACHES[kind]


@pytest.mark.slow
def test_wherever_it_is_cut(tmp_path: Path) -> None:
    found = _outcomes(tmp_path, {"images": [1, 12, 11], "features": [540, 1127]})
    assert {name: outcomes["same"] for name, outcomes in found.items()} == {"images": True, "features": True}
