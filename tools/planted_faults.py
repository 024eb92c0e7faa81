"""The faults that `make mutations` plants: each is one small change that must turn a test red.

A fault is written as the code stands, long enough to occur once in its file. The tests of an entry are those
that should see its faults, the quickest first; `build=True` says that they look at the built site.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One change: in `file` the text `right` becomes `wrong`."""

    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    build: bool = False


def in_file(file: str, tests: str, *changes: tuple[str, str], build: bool = False) -> list[Fault]:
    """The faults (right, wrong) of one file."""
    return [Fault(file, right, wrong, tuple(tests.split()), build) for right, wrong in changes]


FAULTS: list[Fault] = [
    *in_file(
        "vae_lib/gaussian.py",
        "tests/unit/test_gaussian.py",
        ("t * (1 / 6 + t", "t * (1 / 5 + t"),
        ("t.abs() < 2e-3", "t.abs() < 2e-1"),
        ("t.abs() < 2e-3", "t.abs() < 2e-9"),
        ("(0.5 * gradient) * torch.expm1(logvar)", "(0.5 * gradient) * torch.exp(logvar)"),
        ("mu + torch.exp(0.5 * logvar) * eps", "mu + torch.exp(logvar) * eps"),
        ("(scaled * scaled + logvar + LOG_2PI)", "(scaled * scaled + logvar)"),
        (
            "root = torch.exp(-0.25 * logvar)\n    return difference * root * root",
            "return difference * torch.exp(-0.5 * logvar)",
        ),
        ("logvar_q - logvar_p)", "logvar_p - logvar_q)"),
    ),
    *in_file(
        "vae_lib/likelihoods.py",
        "tests/unit/test_likelihoods.py",
        ("square / 24 * (1 - square / 120", "square / 24 * (1 + square / 120"),
        ("x.shape[-1] * (log_sigma + 0.5 * LOG_2PI)", "x.shape[-1] * log_sigma"),
        ("torch.where(params > 0, 1 - x, x).clamp(0, 1)", "torch.where(params > 0, x, 1 - x).clamp(0, 1)"),
        ("flat = size < 1e-3", "flat = size < 1e-1"),
    ),
    *in_file(
        "vae_lib/likelihoods.py",
        "tests/unit/test_objective.py",
        ("is _Likelihood.log_prob", "is not None"),
    ),
    *in_file(
        "vae_lib/objective.py",
        "tests/unit/test_objective.py",
        ("(beta * kl - reconstruction).mean()", "(kl - reconstruction).mean()"),
        ("reconstruction = reconstruction.mean(0)", "reconstruction = reconstruction.sum(0)"),
        ("return self.reconstruction - self.kl", "return self.reconstruction"),
    ),
    *in_file(
        "vae_lib/estimators.py",
        "tests/unit/test_estimators.py",
        ("log_weights - log_weights.amax(dim, keepdim=True)", "log_weights"),
        ("values * (eps * eps - 1) / sigma", "values * eps * eps / sigma"),
        ("(values - values.mean()) * len(values) / (len(values) - 1)", "values - values.mean()"),
        ("total - math.log(num_samples)", "total"),
        ("size = min(samples_at_once, num_samples - first)", "size = samples_at_once"),
    ),
    *in_file(
        "vae_lib/models.py",
        "tests/unit/test_models.py",
        ("nn.Sequential(*layers[:-1])", "nn.Sequential(*layers)"),
        ("if mean else self.likelihood.sample", "if not mean else self.likelihood.sample"),
    ),
    *in_file(
        "vae_lib/training.py",
        "tests/unit/test_training.py",
        ("total_loss += loss * len(rows)", "total_loss += loss * batch_size"),
        ("beta * history.kl[-1] - history.loss[-1]", "history.kl[-1] - history.loss[-1]"),
        ("bar.close()\n        model.train(was_training)", "bar.close()\n        model.train()"),
    ),
    *in_file(
        "vae_lib/linear_gaussian.py",
        "tests/unit/test_linear_gaussian.py",
        ("correction=0", "correction=1"),
        ("0.5 * spread / self.sigma**2", "spread / self.sigma**2"),
        ("+ 2 * factor.diagonal().log().sum()", "+ factor.diagonal().log().sum()"),
    ),
    *in_file(
        "vae_lib/datasets.py",
        "tests/unit/test_datasets.py",
        ('">u4"', '"<u4"'),
        ("(x_train >= 0.5).float()", "(x_train > 0.5).float()"),
    ),
    *in_file(
        "vae_lib/_validate.py",
        "tests/unit",
        ("number < 1:", "number < 0:"),
    ),
]
