"""Recipes from files, and changes to them: what is read, and what is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_cifar import backbones
from edge_cifar.cli.main import main
from edge_cifar.errors import EdgeCifarError, UsageError
from edge_cifar.recipe import Phase, Recipe
from edge_cifar.steps import recipes

RESNET8 = backbones.get("resnet8")
DEFAULT = RESNET8.recipes["default"]
LEAST = '[[phases]]\nname = "only"\nepochs = 3\nlearning_rate = 1\n'


@pytest.mark.parametrize("name", backbones.names())
def test_each_recipe_of_ours_is_read_as_it_is_written(name: str, tmp_path: Path) -> None:
    for recipe in backbones.get(name).recipes.values():
        (tmp_path / "own.toml").write_text(recipes.to_toml(recipe), encoding="utf-8")
        assert recipes.read(tmp_path / "own.toml") == recipe


def test_models_prints_a_file_to_start_from(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "resnet8", "--recipe", "report", "--toml"]) == 0
    Path("my.toml").write_text(capsys.readouterr().out)
    assert recipes.chosen(RESNET8, "my.toml", (), from_scratch=True) == RESNET8.recipes["report"]
    assert main(["models", "resnet8", "--toml"]) == 0
    assert 'optimizer = "sgd"' in capsys.readouterr().out
    assert main(["models", "--toml"]) == main(["models", "resnet8", "--recipe", "report"]) == 2


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(LEAST)
    assert recipes.read(tmp_path / "own.toml") == Recipe(phases=(Phase(name="only", epochs=3, learning_rate=1.0),))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("recipe.optimizer=adamw", replace(DEFAULT, optimizer="adamw")),
        ("recipe.batch_size=32", replace(DEFAULT, batch_size=32)),
        ("recipe.weight_decay=1", replace(DEFAULT, weight_decay=1.0)),
        ("recipe.augmentation.cutmix=true", replace(DEFAULT, augmentation=replace(DEFAULT.augmentation, cutmix=True))),
        (
            "recipe.phases[0].learning_rate=0.2",
            replace(DEFAULT, phases=(replace(DEFAULT.phases[0], learning_rate=0.2),)),
        ),
        ("recipe.phases.scratch.trainable=-3", replace(DEFAULT, phases=(replace(DEFAULT.phases[0], trainable=-3),))),
        (
            "recipe.phases.0.step_epochs=[3, 5]",
            replace(DEFAULT, phases=(replace(DEFAULT.phases[0], step_epochs=(3, 5)),)),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_sets_one_value(change: str, expected: Recipe) -> None:
    assert recipes.chosen(RESNET8, "default", [change], from_scratch=True) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipe.optimiser=sgd", "did you mean 'optimizer'"),
        ("recipe.optimizer=sdg", "did you mean 'sgd'"),
        ("recipe.batch_size=many", "batch_size must be an integer; got 'many'"),
        ("recipe.batch_size=0", "batch_size must be between 1 and 65536; got 0"),
        ("recipe.batch_size=true", "batch_size must be an integer; got True"),
        ("recipe.augmentation.flip=1", "augmentation.flip must be true or false; got 1"),
        ("recipe.augmentation.rotation=nan", "augmentation.rotation must be between 0 and 180"),
        ("recipe.phases[1].epochs=5", "unknown phase"),
        ("recipe.phases[0].warmup_epochs=41", "at most half of its epochs, 80"),
        ("recipe.phases[0].step_epochs=[5, 3]", "must ascend"),
        ("recipe.phases=[]", "phases must be a list"),
        ("optimizer=sgd", "--set takes recipe.KEY=VALUE"),
        ("recipe.optimizer", "--set takes recipe.KEY=VALUE"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError) as refused:
        recipes.chosen(RESNET8, "default", [change], from_scratch=True)
    assert said in str(refused.value)
    assert main(["train", "resnet8", "--data", "synthetic", "--set", change]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimizer = 'adam'", "phases must be a list of at least one phase"),
        (LEAST.replace("epochs = 3\n", ""), "phases[0].epochs is missing"),
        (f"optimiser = 'adam'\n{LEAST}", "did you mean 'optimizer'"),
        (f"augmentation = 3\n{LEAST}", "augmentation must be a table; got 3"),
        (f"phase = 3\n{LEAST}", "unknown setting 'phase'"),
        (LEAST.replace("= 1", "= '1'"), "phases[0].learning_rate must be a number; got '1'"),
        ("[[phases", "is not valid TOML"),
        (None, "cannot read the recipe"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EdgeCifarError) as refused:
        recipes.read(path)
    assert said in str(refused.value)
    assert "own.toml" in str(refused.value)


def test_options_come_before_the_recipe(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training is stopped where it would begin, and says with what."""
    from edge_cifar.steps import _train_request as step

    seen: list[Recipe] = []

    def run_data(dataset: object, validation_split: float, seed: int) -> None:
        raise KeyboardInterrupt

    def customized(recipe: Recipe, **options: object) -> Recipe:
        seen.append(recipe)
        return keep(recipe, **options)  # type: ignore[arg-type]

    keep = step.customized
    monkeypatch.setattr(step, "customized", customized)
    monkeypatch.setattr(step, "split_data", run_data)
    Path("my.toml").write_text(LEAST)
    arguments = ["train", "resnet8", "--data", "synthetic", "--limit", "20", "--recipe", "my.toml"]
    assert main([*arguments, "--set", "recipe.batch_size=8", "--set", "recipe.views=1"]) == 130
    assert seen == [replace(recipes.read(Path("my.toml")), batch_size=8, views=1)]
