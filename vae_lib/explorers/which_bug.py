"""Chapter 9: the curves and samples of a program without its name, a guess, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from vae_lib.diagnosis.gallery import ACTIVE, PROGRAMS, Fingerprint, lines
from vae_lib.explorers.shared.base import Choice, Explorer, Slider

EPOCHS = 60
SAMPLES = 6
# The order of the cases says nothing about the bugs.
ORDER = (
    "sigma_is_exp_logvar", "no_gradient_through_z", "no_kl", "pixel_mean", "one_eps_per_batch", "kl_sign",
    "right", "sigmoid_twice", "kl_mean_over_latents", "data_outside_unit_interval", "no_noise",
    "kl_without_half",
)  # fmt: skip


def cases(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    fingerprints: Mapping[str, Fingerprint],
    samples: Mapping[str, Tensor],
) -> dict:
    """What `WhichBug` shows, as `_data`: runs of the gallery's programs, by their codes.

    Args:
        curves: for each of 60 epochs the two terms (nll, kl) that the program reported.
        fingerprints: what the right evaluation said of it.
        samples: six images from the prior at least, (N, 64) in [0, 1].

    Raises:
        ValueError: a program is missing, or has not 60 epochs and six samples.
    """
    found = []
    for code in ORDER:
        if any(code not in runs for runs in (curves, fingerprints, samples)):
            raise ValueError(f"there is no run of {code}; WhichBug needs all of {', '.join(PROGRAMS)}")
        if len(curves[code]) != EPOCHS or len(samples[code]) < SAMPLES:
            raise ValueError(
                f"{code} must have {EPOCHS} epochs and {SAMPLES} samples, "
                f"got {len(curves[code])} and {len(samples[code])}"
            )
        terms = [[float(f"{term:.9g}") for term in column] for column in zip(*curves[code], strict=True)]
        levels = (9 * samples[code][:SAMPLES]).round().int()
        found.append(
            {
                "code": code,
                "title": PROGRAMS[code].title,
                "lines": lines(PROGRAMS[code]) if code != "right" else [],
                "nll": terms[0],
                "kl": terms[1],
                "reconstruction": float(f"{fingerprints[code].reconstruction:.9g}"),
                "per_dimension": [float(f"{kl:.9g}") for kl in fingerprints[code].kl.tolist()],
                "samples": ["".join(map(str, row)) for row in levels.tolist()],
            }
        )
    return {"cases": found}


class WhichBug(Explorer):
    """Curves as the program's own loop reported them, and samples; after a guess, what the program was.

    `reported_loss`, `reported_nll` and `reported_kl` are those of the marked epoch. `elbo`, `kl` and
    `active_units` come from the right evaluation of the held-out images after the last epoch, `elbo_lost` is
    the ELBO of the right program minus this one; they are None until there is a guess.

    Traits: `case`, number of the unnamed program; `epoch`, the mark on the curves; `guess`, which another
    case resets.
    `WhichBug(_data=which_bug.cases(curves, fingerprints, samples))` shows it.

    Raises:
        ValueError: a trait is out of its bounds, or `_data` lacks the case of a program, or 60 epochs.
    """

    chapter = 9
    question = "Which line of this program is wrong?"
    required_counts, builder = {"cases": len(ORDER), "epochs": EPOCHS}, "which_bug.cases"
    case = Slider(1, 1, len(ORDER), 1, "case", integer=True, clears="guess")
    epoch = Slider(EPOCHS, 1, EPOCHS, 1, "epoch", integer=True)
    guess = Choice(
        "none",
        {"none": "no guess yet", **{code: program.title for code, program in PROGRAMS.items()}},
        "your guess",
    )

    @staticmethod
    def counts(data: Mapping) -> tuple[int, ...]:
        """Numbers of cases, and of epochs of the shortest."""
        runs = data.get("cases", ())
        return len(runs), min((len(run.get("nll", ())) for run in runs), default=0)

    def numbers(self) -> dict[str, float | None]:
        """Both terms and their sum at the epoch, in the program's own units; then nats per held-out image.

        Raises:
            ValueError: the explorer was made without `_data`.
        """
        if not self._data:
            raise ValueError("there are no runs to show: WhichBug(_data=which_bug.cases(…))")
        runs = self._data["cases"]
        case, right = runs[self.case - 1], next(run for run in runs if run["code"] == "right")
        nll, kl = case["nll"][self.epoch - 1], case["kl"][self.epoch - 1]
        elbo, reference = (run["reconstruction"] - sum(run["per_dimension"]) for run in (case, right))
        answer = {
            "elbo": elbo,
            "elbo_lost": reference - elbo,
            "kl": sum(case["per_dimension"]),
            "active_units": sum(kl > ACTIVE for kl in case["per_dimension"]),
        }
        hidden = self.guess == "none"
        return {
            "reported_loss": nll + kl,
            "reported_nll": nll,
            "reported_kl": kl,
            **{name: None if hidden else value for name, value in answer.items()},
        }
