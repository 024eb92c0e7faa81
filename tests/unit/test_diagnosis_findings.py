"""The table of findings: some program has each code, the equations exist, the right lines are right."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from programs import BUGS
from test_diagnosis_draw import WRONG_DRAWS
from test_diagnosis_kinds import KINDS
from test_diagnosis_nets import WITHOUT_GRADIENT
from test_diagnosis_programs import DO_NOT_FIT
from test_diagnosis_terms import WRONG_TERMS
from test_diagnosis_weights import WRONG_WEIGHTS
from torch import nn

from vae_lib import gaussian
from vae_lib.diagnosis.findings import FINDINGS, NOTES, Fault, finding
from vae_lib.diagnosis.reconstruction import WITH_A_SCALE
from vae_lib.diagnosis.report import Check, Diagnosis
from vae_lib.likelihoods import Bernoulli

SIZES = {"D": 6, "J": 2, "beta": 1.0}
BOOK = Path(__file__).parents[2] / "book"


def test_each_finding_that_is_no_note_stands_in_the_table_of_symptoms():
    cells = json.loads((BOOK / "is_my_loss_right.ipynb").read_text(encoding="utf-8"))["cells"]
    text = next(text for cell in cells if "## From symptom" in (text := "".join(cell["source"])))
    table = re.search(r"## From symptom to cause\n(.*?)\n## ", text, re.S)[1]
    named = re.findall(r"`(\w+)`", table)
    assert sorted(named) == sorted(FINDINGS.keys() - NOTES)


def test_each_code_is_found_in_some_program():
    tables = (WRONG_DRAWS, WITHOUT_GRADIENT, DO_NOT_FIT, WRONG_TERMS, WRONG_WEIGHTS)
    found = {row[0] for table in tables for row in table} | set(KINDS)
    found |= set(BUGS) | {"other_likelihood"}
    without, unknown = set(FINDINGS) - found, found - set(FINDINGS)
    assert not without, f"no program has {without}: add a row to KINDS in test_diagnosis_kinds.py"
    assert not unknown, f"add {unknown} to FINDINGS in vae_lib/diagnosis/findings.py"


@pytest.mark.parametrize("code", FINDINGS)
def test_the_words_of_a_finding_are_complete(code):
    found = finding(Fault(code, "seen"), **SIZES)
    assert found.code == code and found.found == "seen"
    assert found.message.endswith(".") and not found.expected.endswith(".")
    assert not re.search(r"[{}]", found.message + found.expected + found.equation)
    assert finding(Fault(code, "seen", "another line"), **SIZES).fix == "another line"


def test_the_equations_of_the_findings_are_in_the_book():
    tags = set()
    for notebook in BOOK.glob("*.ipynb"):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            tags |= {f"({tag})" for tag in re.findall(r"\\tag\{(\d+\.\d+)\}", "".join(cell["source"]))}
    for code, (_, _, equation, _) in FINDINGS.items():
        assert set(equation.split(", ")) <= tags, code


# The right lines, run


def assigned_by(line):
    """The names that a line of Python assigns; None where it is no line of Python, but a hint."""
    try:
        statement = ast.parse(line).body[0]
    except SyntaxError:
        return None
    names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return [name.id for name in names if isinstance(name.ctx, ast.Store)]


RIGHT_LINES = {code: fix for code, (_, _, _, fix) in FINDINGS.items() if assigned_by(fix) is not None}


@pytest.fixture
def given(generator):
    """What a training step has at hand: 5 images of 6 pixels, 2 latent dimensions."""
    x, params = torch.rand(2, 5, 6, generator=generator)
    mu, logvar = torch.randn(2, 5, 2, generator=generator)
    images = torch.randint(0, 256, (5, 6), generator=generator)
    terms = {"nll": -Bernoulli().log_prob(x, params), "kl": gaussian.kl_to_standard_normal(mu, logvar)}
    with torch.random.fork_rng():
        encoder = nn.Linear(6, 4)
    tensors = {"x": x, "params": params.requires_grad_(), "mu": mu, "logvar": logvar, "images": images}
    return {"torch": torch, "F": F, "likelihood": Bernoulli(), "encoder": encoder} | tensors | terms


def test_most_findings_have_a_line_that_can_be_run():
    assert len(RIGHT_LINES) >= 25


@pytest.mark.parametrize("code", RIGHT_LINES)
@torch.random.fork_rng()
def test_the_right_line_of_a_finding_computes_what_it_should(code, given):
    torch.manual_seed(1)
    z = given["mu"] + torch.exp(given["logvar"] / 2) * torch.randn_like(given["mu"])
    wanted = {
        "nll": given["nll"].mean(),
        "kl": given["kl"].mean(),
        "loss": (given["nll"] + given["kl"]).mean(),
        "z": z,
        "x": given["images"] / 255,
        "mu": given["encoder"](given["x"])[:, :2],
        "logvar": given["encoder"](given["x"])[:, 2:],
    }
    torch.manual_seed(1)
    exec(RIGHT_LINES[code], given)
    for name in assigned_by(RIGHT_LINES[code]):
        torch.testing.assert_close(given[name], wanted[name])


@pytest.mark.parametrize(
    ("name", "gradient"),
    [
        ("Gaussian", lambda r, x: (r - x) / 0.5**2),
        ("Gaussian of a sigmoid", lambda r, x: (r.sigmoid() - x) * r.sigmoid() * (1 - r.sigmoid()) / 0.5**2),
        ("Laplace", lambda r, x: (r - x).sign() / 0.5),
    ],
)
def test_the_right_line_with_a_scale_has_the_gradient_of_its_likelihood(name, gradient, given):
    _, _, line = WITH_A_SCALE[name]
    exec(line, given | {"sigma": 0.5, "scale": 0.5}, found := {})
    (slope,) = torch.autograd.grad(found["nll"], given["params"])
    torch.testing.assert_close(slope, gradient(given["params"], given["x"]).detach() / 5)


# The texts


def test_the_text_of_a_finding():
    assert str(finding(Fault("kl_mean_over_latents", "0.25 before the KL"), **SIZES)) == (
        "kl_mean_over_latents: The KL term is averaged over the J = 2 latent dimensions. It\n"
        "    weighs 2 times too little.\n"
        "  expected: a sum over the latent dimensions (4.5)\n"
        "  found: 0.25 before the KL\n"
        "  right: kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()"
    )


@pytest.mark.parametrize(
    ("diagnosis", "text"),
    [
        (Diagnosis(()), "nothing wrong found"),
        (Diagnosis((), checks=(Check("draw", "open", "the width"), Check("weight", "right"))),
         "not all could be checked; in the rest nothing wrong was found\nright: weight\n"
         "open: draw, because the width"),
        (Diagnosis((), "Laplace"), "nothing wrong found: Laplace"),
        (Diagnosis((), "Laplace", 4.5678), "nothing wrong found: Laplace, β = 4.57"),
        (Diagnosis((), "Laplace", 4.0, ("the width", "the rest")),
         "not all could be checked; in the rest nothing wrong was found: Laplace, β = 4\n"
         "not checked: the width\nnot checked: the rest"),
    ],
)  # fmt: skip
def test_the_text_of_a_diagnosis(diagnosis, text):
    assert str(diagnosis) == repr(diagnosis) == text


def test_a_diagnosis_with_findings_prints_each_of_them():
    faults = [finding(Fault(code, "seen"), **SIZES) for code in ("no_kl", "no_noise")]
    diagnosis = Diagnosis(tuple(faults), "Laplace", 4.0, ("the width",))
    assert str(diagnosis) == f"{faults[0]}\n{faults[1]}\nnot checked: the width"
    assert diagnosis.codes == ["no_kl", "no_noise"]
