"""The result of diagnose for programs: dictionaries, an error that is raised, a command, a callback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from programs import BUGS, examine
from test_diagnosis_wild import Lit, labels, pictures

import vae_lib
from vae_lib import diagnose
from vae_lib.diagnosis import DiagnosisError
from vae_lib.diagnosis.command import main
from vae_lib.diagnosis.gallery import Right
from vae_lib.diagnosis.report import CHECKS

RIGHT, WRONG = Right(64, 8, seed=0), BUGS["pixel_mean"](64, 8, seed=0)


def test_a_result_is_json():
    found = examine(WRONG)
    result = json.loads(found.to_json())
    assert result == found.to_dict()
    assert result["headline"] == "1 thing is wrong: pixel_mean"
    assert [finding["severity"] for finding in result["findings"]] == ["error"]
    assert {check["name"]: check["status"] for check in result["checks"]} == {
        name: "wrong" if name == "weight" else "right" for name in CHECKS
    }


def test_errors_are_raised_and_notes_are_not():
    with pytest.raises(DiagnosisError, match="pixel_mean") as caught:
        examine(WRONG).raise_for_errors()
    assert isinstance(caught.value, AssertionError) and caught.value.diagnosis.codes == ["pixel_mean"]
    found = examine(RIGHT)
    assert found.raise_for_errors() is found


MODULE = """
from vae_lib import datasets
from vae_lib.diagnosis.gallery import PROGRAMS

def build(code="right"):
    program = PROGRAMS[code](64, 8, seed=0)
    return program, program.loss, datasets.load_digits().x_train[:20]

def wrong():
    return *build("pixel_mean"), {"seed": 1}

def squared():
    program, _, x = build()
    return program, lambda r, x, mu, logvar: (r - x).pow(2).sum() / len(x) + program.kl(mu, logvar), x
"""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["mine:build"], 0, "nothing wrong found"),
        (["mine"], 0, "nothing wrong found"),
        (["mine:wrong"], 1, "pixel_mean: "),
        (["mine:wrong", "--json"], 1, '"headline": "1 thing is wrong: pixel_mean"'),
        (["mine:squared"], 0, "open: weight"),
        (["mine:squared", "--strict"], 1, "open: weight"),
        (["mine:absent"], 2, "could not be run: AttributeError"),
    ],
)
def test_the_command_prints_the_report_and_has_a_status(
    arguments, status, said, tmp_path, monkeypatch, capsys
):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert said in out + err


def test_the_command_is_run_as_a_module(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    command = [sys.executable, "-W", "error", "-m", "vae_lib.diagnose", "mine:wrong"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.startswith("pixel_mean: "), done.stderr


def test_importing_the_command_leaves_the_function():
    import vae_lib.diagnose as imported

    assert vae_lib.diagnose is diagnose is imported


# What fits a project


def test_my_loss_is_right():  # the five lines for a reader's own tests
    model = Right(64, 8, seed=0)
    x = BUGS["pixel_mean"].load(model, vae_lib.datasets.load_digits().x_train[:20] * 255)
    found = diagnose(model, model.loss, x)
    found.raise_for_errors()
    assert found.open == []


class Diagnose:  # (lightning.pytorch.Callback)
    """Stops a training whose loss is wrong, before its first step."""

    def __init__(self, **options):
        self.options, self.asked = options, False

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if not self.asked:
            self.asked = True
            found = diagnose(module, module.training_step, batch, **self.options)
            trainer.print(found)
            found.raise_for_errors()


class Trainer:
    def __init__(self):
        self.said = []

    def print(self, text):
        self.said.append(str(text))


def test_a_callback_of_ten_lines_asks_once():
    """Lightning is not needed here: its hook is called as Lightning calls it."""
    trainer, callback, batch = Trainer(), Diagnose(), (pictures(), labels())
    for number in range(2):
        callback.on_train_batch_start(trainer, Lit(), batch, number)
    assert len(trainer.said) == 1 and trainer.said[0].startswith("nothing wrong found: Bernoulli of logits")
