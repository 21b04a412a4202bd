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
    augmentation=Augmentation(flip=True, translation=0.1, cutout=0.3),
    phases=(
        Phase(name="head", epochs=1, trainable="head", learning_rate=1e-3),
        Phase(name="rest", epochs=3, learning_rate=1e-3, schedule="cosine", reestimate_batch_norm=True),
    ),
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

whole = weights(run("whole", 10**9))
for at in map(int, sys.argv[2:]):
    name = f"cut-{at}"
    try:
        run(name, at)
        raise SystemExit(f"not interrupted at {at}")
    except KeyboardInterrupt:
        pass
    finished_early = (folder / name / "record.json").exists()
    resume = (folder / name / "checkpoint" / "state.npz").exists()
    resumed = weights(run(name, 10**9, resume=resume))
    same = all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
    print(json.dumps({"at": at, "same": same, "finished_early": finished_early, "resumed": resume}))
"""


@pytest.mark.timeout(600)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    # 240 training images in batches of 40: six steps an epoch, four epochs. In the first epoch nothing is saved yet.
    cuts = ["2", "7", "15", "23"]
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *cuts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["at"] for outcome in outcomes] == [2, 7, 15, 23]
    assert all(outcome["same"] for outcome in outcomes)
    assert not any(outcome["finished_early"] for outcome in outcomes)
    assert [outcome["resumed"] for outcome in outcomes] == [False, True, True, True]
