"""The description of a picture says what holds: each claim is compared with the numbers of vae_lib."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from asking import answers, made, on_the_grid
from examples import DATA

from vae_lib import gaussian
from vae_lib.diagnosis.gallery import PROGRAMS
from vae_lib.explorers import EXPLORERS, KL, Generative, ReconstructionLoss
from vae_lib.explorers.shared import network, running_example

POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
NUMBER = r"(−?\d[\d\u202f]*(?:\.\d+)?(?:·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"


class Words:
    """A description, read from its beginning. In a template # stands for a number, @ for other words."""

    def __init__(self, words: str):
        self.rest = words

    def maybe(self, template: str) -> tuple[str, ...] | None:
        """Read the template and return what stands for # and @; None if the text does not go on like this."""
        found = re.match(re.escape(template).replace(r"\#", NUMBER).replace("@", "(.+?)"), self.rest)
        if not found:
            return None
        self.rest = self.rest[found.end() :]
        return found.groups()

    def take(self, template: str) -> tuple[str, ...]:
        found = self.maybe(template)
        assert found is not None, f"{template!r} is not how this begins: {self.rest!r}"
        return found

    def one_of(self, *templates: str) -> str:
        """The one of several texts that comes next."""
        found = [template for template in templates if self.rest.startswith(template)]
        assert found, f"{self.rest!r} begins with none of {templates}"
        self.take(max(found, key=len))
        return max(found, key=len)


def says(text: str, value: float, digits: int | None = None) -> bool:
    """Is the text the value, rounded to the decimals of the text or to `digits` significant digits?"""
    factor, _, power = text.replace("−", "-").replace("\u202f", "").partition("·10")
    scale = 10 ** int(power.translate(POWERS) or 0)
    last = scale * 10.0 ** -len(factor.partition(".")[2])
    if digits:
        last = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    return abs(float(factor) * scale - value) <= 0.5001 * last + 1e-12


def elbo_gap(words, state, n):
    mu, sigma = words.take("q has mean # and standard deviation #. ")
    assert says(mu, state["mu"]) and says(sigma, state["sigma"])
    assert 0 >= n["reconstruction"] >= n["elbo"] <= n["log_marginal"], "down, further down, and back up"
    reconstruction, kl, elbo = words.take(
        "From 0 the reconstruction leads to #, the KL of # further down to the ELBO at #, "
        "and the gap back up to log p(x). "
    )
    assert says(reconstruction, n["reconstruction"]) and says(kl, n["kl"]) and says(elbo, n["elbo"])
    if words.maybe("q is practically the posterior and the bound is tight.") is not None:
        assert n["gap"] < 0.005
        return
    assert n["gap"] >= 0.005
    (gap,) = words.take("The ELBO lies # nats below log p(x), ")
    assert says(gap, n["gap"])
    comparison = words.one_of("more", "less")
    assert comparison == ("more" if n["gap"] > n["kl"] else "less")
    words.take(" than the KL to the prior.")


def generative(words, state, n):
    x, away, label, p, log_marginal, typical = words.take(
        "At x = #, # or more standard deviations from both means, p(y|x) gives the # a probability of #. "
        "There log p(x) is # nats, against # at the mean of the eights. "
    )
    assert says(x, state["x"]) and says(log_marginal, n["log_marginal"])
    eight = n["p_y_given_x"]
    assert (label == "8") == (eight > 0.5) and says(p, max(eight, 1 - eight))
    distances = [abs(state["x"] - state[f"mean_{y}"]) / state[f"sigma_{y}"] for y in (3, 8)]
    assert says(away, min(distances))
    at_eight = Generative(**(state | {"x": state["mean_8"]})).numbers()["log_marginal"]
    assert says(typical, at_eight)

    def difference(at: float) -> float:
        """log p(x, 8) − log p(x, 3), positive where the classifier says 8."""
        both = [
            gaussian.log_prob(*(torch.tensor([[v]], dtype=torch.float64) for v in (at, state[f"mean_{y}"])),
                              2 * torch.tensor([[state[f"sigma_{y}"]]], dtype=torch.float64).log()).item()
            for y in (3, 8)
        ]  # fmt: skip
        return both[1] - both[0]

    if once := words.maybe("The classifier changes its mind once, at #."):
        ends = once
        assert state["sigma_3"] == state["sigma_8"]
    else:
        ends = words.take("With unequal spreads it changes its mind twice, at # and #: ")
        words.take("far out on both sides the wider class wins.")
        wider = 1 if state["sigma_8"] > state["sigma_3"] else -1
        assert wider * difference(-1e4) > 0 and wider * difference(1e4) > 0
    for end in (float(end.replace("−", "-")) for end in ends):
        assert difference(end - 0.00501) * difference(end + 0.00501) <= 0


def kl(words, state, n):
    mu, sigma, value = words.take(
        "q has mean # and standard deviation #, the prior 0 and 1. "
        "The filled area minus the striped one is the KL divergence, # nats. "
    )
    assert says(mu, state["mu"]) and says(sigma, state["sigma"]) and says(value, n["kl"])
    terms = {"½ μ²": "half_mu_squared", "½ σ²": "half_sigma_squared", "−½ ln σ²": "minus_log_sigma"}
    words.take("Its largest term is ")
    largest = terms[words.one_of(*terms)]
    assert n[largest] == max(n[term] for term in terms.values())
    words.take(". A step downhill ")
    width = words.one_of("leaves its width", "makes q wider", "makes q narrower")
    sign = 0 if abs(state["sigma"] - 1) < 0.005 else math.copysign(1, n["dkl_dlogvar"])
    assert width == {0: "leaves its width", -1: "makes q wider", 1: "makes q narrower"}[sign]
    mean = words.one_of(" and leaves its mean.", " and pulls its mean towards 0.")
    assert (mean == " and leaves its mean.") == (abs(n["dkl_dmu"]) < 0.005)
    if mean == " and pulls its mean towards 0.":
        nearer = KL(**(state | {"mu": 0.9 * state["mu"]})).numbers()["kl"]
        assert nearer < n["kl"]


def naive_monte_carlo(words, state, n):
    J, draws = words.take("With J = # the estimate from # draw")
    assert says(J, state["J"]) and says(draws, state["num_samples"])
    assert (words.one_of("s is ", " is ") == "s is ") == (state["num_samples"] != 1)
    (error,) = words.take("# nats too ")
    assert says(error, abs(n["error"]), digits=2)
    assert words.one_of("low", "high") == ("low" if n["log_marginal_naive"] < n["log_marginal"] else "high")
    (size,) = words.take(". Counted by weight they are worth #; the largest alone has ")
    assert says(size, n["effective_sample_size"])
    share = 100 * n["largest_share"]
    if words.maybe("less than 1") is not None:
        assert share < 1
    else:
        assert says(words.take("#")[0], share) and share >= 1
    (needed,) = words.take(" % of the sum. By ρ, an error of 0.1 nats takes about # draws.")
    assert says(needed, (n["rho"] - 1) / 0.1**2, digits=2)


def monte_carlo(words, state, n):
    if words.maybe("The mean of one draw is ") is not None:
        assert state["num_samples"] == 1
    else:
        assert says(words.take("The mean of the first # draws is ")[0], state["num_samples"])
        assert state["num_samples"] > 1
    estimate, error = words.take("# nats, # too ")
    assert says(estimate, n["estimate"]) and says(error, abs(n["error"]), digits=2)
    assert words.one_of("low", "high") == ("low" if n["estimate"] < n["reconstruction"] else "high")
    words.take(". ")
    if words.maybe("A single draw cannot tell how far off it is. ") is not None:
        assert n["standard_error"] is None
    else:
        standard_error, errors = words.take(
            "These draws report a standard error of #, so the miss is # of them"
        )
        assert says(standard_error, n["standard_error"], digits=2)
        assert says(errors, abs(n["error"]) / n["standard_error"])
        outside = words.maybe(", outside the band, as it is in about one run of twenty") is not None
        assert outside == (abs(n["error"]) > 2 * n["standard_error"]), "the band is two standard errors wide"
        words.take(". ")
    sigma, spread = words.take("At σ = # one draw misses by # nats (root mean square), and ")
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)  # exact, as log p(x|z) has degree two
    values = running_example.log_lik(torch.from_numpy(0.6 + state["sigma"] * nodes)).numpy()
    weights /= weights.sum()
    mean = weights @ values
    assert says(sigma, state["sigma"]) and says(spread, (weights @ (values - mean) ** 2) ** 0.5, digits=2)
    words.take("each further correct digit costs a hundred times the draws.")


def reparameterization(words, state, n):
    assert says(words.take("The exact gradient is #. ")[0], n["exact"])
    if state["num_samples"] == 1:
        pathwise, score = words.take("One draw says # pathwise and # by the score function; ")
        assert says(pathwise, n["pathwise_mean"]) and says(score, n["score_mean"])
        assert n["baseline_mean"] is None and n["pathwise_variance"] is None
        words.take("a baseline and a variance need a second one.")
        return
    draws, *means = words.take(
        "The means of # draws are # pathwise, # by the score function and # with a baseline. "
    )
    assert says(draws, state["num_samples"])
    kinds = ("pathwise", "score", "baseline")
    assert all(says(text, n[f"{kind}_mean"]) for kind, text in zip(kinds, means, strict=True))
    worth = words.take(
        "By their variances one pathwise draw is worth # of the score function, or # with a baseline."
    )
    for kind, text in zip(kinds[1:], worth, strict=True):
        assert says(text, n[f"{kind}_variance"] / n["pathwise_variance"], digits=2)


def reconstruction_loss(words, state, n):
    p, x, sigma = state["p"], state["x"], state["sigma"]
    if found := words.maybe("The prediction equals the pixel, x = #: both curves are at their minimum. "):
        assert p == x and says(found[0], x)
        assert n["bernoulli_excess"] == pytest.approx(0, abs=1e-12) and n["gaussian_excess"] == 0
        bernoulli, gauss, width = words.take(
            "Still cross-entropy charges # nats, because the pixel is grey. "
            "The Gaussian gives # nats, which σ = # alone decides"
        )
        assert says(bernoulli, n["bernoulli_nll"]) and says(gauss, n["gaussian_nll"]) and says(width, sigma)
        assert n["bernoulli_nll"] > 0 and 0 < x < 1
        below = words.maybe(", below 0 because a density may exceed 1") is not None
        assert below == (n["gaussian_nll"] < 0)
        words.take(".")
        return
    assert p != x
    *both, off, bernoulli = words.take(
        "The pixel is # and the prediction #, off by #. Cross-entropy is # nats, "
    )
    assert (
        [float(text) for text in both] == [x, p] and says(off, p - x) and says(bernoulli, n["bernoulli_nll"])
    )
    if found := words.maybe("of which # nats would remain at p = x because the pixel is grey. "):
        assert 0 < x < 1
        at_minimum = ReconstructionLoss(p=min(0.99, max(0.01, x)), x=x).numbers()["bernoulli_nll"]
        assert says(found[0], at_minimum) or not 0.01 <= x <= 0.99
    else:
        words.take("all of it error: at p = x it would be 0. ")
        assert x in (0, 1) and n["bernoulli_excess"] == pytest.approx(n["bernoulli_nll"], rel=1e-12)
    gauss, excess, width = words.take(
        "The Gaussian is # nats; the thick bar, what lies above the minimum, is # nats with σ = #, "
        "and four times that with half the σ."
    )
    assert says(gauss, n["gaussian_nll"]) and says(excess, n["gaussian_excess"]) and says(width, sigma)
    if sigma >= 0.2:
        half = ReconstructionLoss(**(state | {"sigma": sigma / 2})).numbers()["gaussian_excess"]
        assert half == pytest.approx(4 * n["gaussian_excess"], rel=1e-9)


def implied_beta(words, state, n):
    def equals(before: str, value: float) -> None:
        """The value after “before”, with all its digits after = and with three after ≈."""
        words.take(before)
        if words.one_of("= ", "≈ ") == "= ":
            (text,) = words.take("#")
            assert float(text) == pytest.approx(value, rel=1e-9)
        else:
            assert says(words.take("#")[0], value, digits=3)

    line = words.one_of(
        "This line is minus the ELBO of a Gaussian decoder with σ = 1", "This line is minus the ELBO",
        "This line trains β ", "Beside σ = 1 this line has β ",
    )  # fmt: skip
    bernoulli, elbo = state["reconstruction"] == "bce", n["beta"] == pytest.approx(1, rel=1e-12)
    assert ("ELBO" in line) == elbo
    assert bernoulli == (line in ("This line is minus the ELBO", "This line trains β "))
    if elbo:
        if words.rest.startswith(", times a "):
            equals(", times a ", n["factor_a"])
        else:
            assert n["factor_a"] == pytest.approx(1, rel=1e-12)
        words.take(": β = 1. ")
    else:
        equals("", n["beta"])
        if bernoulli:
            words.take("; no Bernoulli decoder has this as its ELBO. ")
        else:
            equals(": it trains the ELBO of a Gaussian decoder with σ ", n["equivalent_sigma"])
            words.take(". ")
    posterior = running_example.q(1.0, math.log(0.2))
    exact = gaussian.kl_to_standard_normal(*posterior).item()
    kept, full, gap = words.take(
        "In the running example the best q under it keeps # nats about z, and with β = 1 it would keep #; "
        "it lies # nats from the true posterior"
    )
    assert says(kept, n["kl"]) and says(full, exact) and says(gap, n["gap"])
    way = words.one_of(".", ", towards the prior.", ", narrower than it and towards the best single z.")
    if way == ".":
        assert elbo
    else:
        assert (way == ", towards the prior.") == (n["beta"] > 1)
        assert (n["kl"] < exact) == (n["beta"] > 1), "the best q for a dear KL is nearer to the prior"


def latent(words, state, n):
    data = DATA["latent"]()
    if found := words.maybe("Test image #, @ @, goes to "):
        number, article, label = found
        assert int(number) == state["image"] and label == data["labels"][state["image"] - 1]
        assert article == ("an" if label == "8" else "a")
    else:
        assert state["image"] == 0
        words.take("Your drawing goes to ")
    mu_sigma = words.take("μ = (#, #) with σ = (#, #). ")
    keys = ("mu_1", "mu_2", "sigma_1", "sigma_2")
    assert all(says(text, n[key]) for key, text in zip(keys, mu_sigma, strict=True))
    parts = words.take(
        "Its loss is # nats, # of reconstruction and # of KL; the mean test image costs # and #. "
    )
    values = [-n["elbo"], -n["reconstruction"], n["kl"], -n["mean_reconstruction"], n["mean_kl"]]
    assert all(says(text, value) for text, value in zip(parts, values, strict=True))
    drawing = torch.tensor([state["drawing"]], dtype=torch.float64) / 16
    x = torch.cat([drawing, network.images(data)])[state["image"]]
    with torch.no_grad():
        z = torch.tensor([[n["sample_1"], n["sample_2"]]], dtype=torch.float64)
        logits = network.unpack(data, state["snapshot"]).decode(z)[0]
    costs = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    row, column, most = words.take("Row #, column # is the dearest pixel, # nats. ")
    dearest = 8 * (int(row) - 1) + int(column) - 1
    assert costs[dearest].item() == pytest.approx(costs.max().item(), rel=1e-9) and says(most, costs.max())
    (held,) = words.take("Decoded from your z, the same image costs # nats.")
    assert says(held, -n["log_likelihood"])


def rate_distortion(words, state, n):
    sigma, price = words.take("With σ = # a nat of KL has to save # of squared error")
    assert says(sigma, n["sigma"]) and says(price, 2 * n["beta"])
    if words.maybe(", and no dimension does: q(z|x) is the prior for every image, ") is not None:
        assert n["active_units"] == 0 and n["kl"] < 0.1
        words.take("and the decoder shows the mean image whatever z is. The posterior has collapsed.")
        return
    nats, active, error = words.take(
        ". The encoder buys # nats and keeps # latent dimensions in use; the error left is # per image. "
    )
    assert int(active) == n["active_units"] > 0 and says(nats, n["kl"]) and says(error, n["distortion"])
    words.take("The dashed line through the point has the slope of that price.")


def aggregated_posterior(words, state, n):
    beta, *parts = words.take(
        "With β = # the mean KL is # nats: # tell the images apart, # are total correlation and "
        "# marginal KL. "
    )
    keys = ("kl", "mutual_information", "total_correlation", "marginal_kl")
    assert float(beta) == DATA["aggregated_posterior"]()["betas"][state["model"] - 1]
    assert all(says(text, n[key]) for key, text in zip(keys, parts, strict=True))
    at = words.take("At z = (#, #) log p(z) is # and log q(z) #: ")
    values = [state["z_1"], state["z_2"], n["log_p"], n["log_q"]]
    assert all(says(text, value) for text, value in zip(at, values, strict=True))
    verdict = words.one_of(
        "samples come here, codes hardly do.",
        "codes lie here, samples hardly come.",
        "samples come about as often as codes.",
        "hardly a sample comes here, and hardly a code.",
    )
    rare = max(n["log_p"], n["log_q"]) < -7
    assert verdict.startswith("hardly") == rare
    if rare:
        return
    apart = n["log_q"] - n["log_p"]
    assert verdict.startswith("codes") == (apart > 2) and verdict.endswith("do.") == (apart < -2)


def which_bug(words, state, n):
    runs = DATA["which_bug"]()["cases"]
    run = runs[state["case"] - 1]
    *at, loss, nll, kl = words.take(
        "Case #: after epoch # the program reports a loss of #, # for the reconstruction and # for the KL. "
    )
    assert [int(text) for text in at] == [state["case"], state["epoch"]]

    def rounded(text: str, value: float) -> bool:
        return says(text, value, digits=1 if abs(value) >= 1e4 else None)

    assert (
        rounded(loss, n["reported_loss"])
        and rounded(nll, n["reported_nll"])
        and rounded(kl, n["reported_kl"])
    )
    if state["guess"] == "none":
        words.take("The six images are samples from the prior. Which line is wrong, if any? ")
        words.take("Guess, and the answer appears.")
        return
    title = PROGRAMS[run["code"]].title
    if words.maybe(f"Your guess is right: {title}. ") is not None:
        assert state["guess"] == run["code"]
    else:
        assert state["guess"] != run["code"]
        words.take(f"Your guess was “{PROGRAMS[state['guess']].title}”: it is “{title}”. ")
    right = run["code"] == "right"
    if not right:
        words.take("Its line has the sign −, the right one +. ")
    assert rounded(words.take("Its final held-out ELBO is # nats")[0], n["elbo"])
    if not right:
        best = next(other for other in runs if other["code"] == "right")
        lost = best["reconstruction"] - sum(best["per_dimension"]) - n["elbo"]
        assert rounded(words.take(", # less than that of the right program")[0], lost)
    words.take(".")


def train(words, state, n):
    """Before its training; test_train.py reads what is said then."""
    assert n["epoch"] == 0
    words.take("No epoch has ended yet. Before training each z decodes to about the same grey; ")
    words.take("Train lets this loss shape both networks.")


STATES = 70  # of each explorer; fewer where one state means many draws


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_description_says_what_holds(name):
    check = globals().get(name)
    assert check, f"write a function {name}(words, state, n) in this file, which reads the description"
    at = on_the_grid(name)
    at = at[:: max(1, len(at) // STATES)]
    if name == "which_bug":  # every case, guessed rightly, wrongly and not at all
        codes = [run["code"] for run in DATA[name]()["cases"]]
        at += [{"case": i + 1, "epoch": 40, "guess": guess} for i, code in enumerate(codes)
               for guess in ("none", code, codes[i - 1])]  # fmt: skip
    if name == "kl":  # at the prior, and with each of the terms the largest
        at += [{"mu": mu, "sigma": sigma} for mu in (0.0, -0.5, 2.0) for sigma in (0.3, 0.99, 1.0, 1.01, 2.5)]
    for state, answer in zip(at, answers(name, at)["answers"], strict=True):
        words = Words(answer["words"])
        try:
            check(words, state, made(name, state).numbers())
            assert words.rest == "", "words that no check has read"
        except AssertionError as error:
            raise AssertionError(f"at {state}: {answer['words']}") from error


# Words in a picture → the values of their numbers, of the numbers of vae_lib.
IN_THE_PICTURE = {
    "elbo_gap": {"ELBO #": lambda n: [n["elbo"]], "log p(x) = #": lambda n: [n["log_marginal"]]},
    "generative": {
        "at the probe #": lambda n: [n["p_y_given_x"]],
        "log p(x) = # nats": lambda n: [n["log_marginal"]],
    },
    "monte_carlo": {"dashed: exact, #": lambda n: [n["reconstruction"]]},
    "reparameterization": {
        "pathwise: variance #": lambda n: [n["pathwise_variance"]],
        "score function: variance #": lambda n: [n["score_variance"]],
        "with baseline: variance #": lambda n: [n["baseline_variance"]],
    },
    "aggregated_posterior": {"mean KL # nats": lambda n: [n["kl"]]},
    "latent": {
        "test mean: # + # = #": lambda n: [-n["mean_reconstruction"], n["mean_kl"], -n["mean_elbo"]],
    },
    "rate_distortion": {
        "σ = #": lambda n: [n["sigma"]],
        "for 2σ² = # of error": lambda n: [2 * n["beta"]],
        "KL of each dimension: # of 8 active": lambda n: [n["active_units"]],
    },
}


@pytest.mark.parametrize("name", IN_THE_PICTURE)
def test_numbers_in_a_picture_are_those_of_vae_lib(name):
    at = on_the_grid(name)
    at = at[:: max(1, len(at) // 12)]
    for state, answer in zip(at, answers(name, at, (690,))["answers"], strict=True):
        texts = [Words(text["words"]) for text in answer["drawings"][0]["texts"]]
        n = made(name, state).numbers()
        for template, values in IN_THE_PICTURE[name].items():
            wanted = values(n)
            (found,) = [found for words in texts if (found := words.maybe(template)) and not words.rest] or [
                None
            ]
            if None in wanted:
                assert found is None, "one draw has no variance"
                continue
            assert found, (template, state)
            for text, value in zip(found, wanted, strict=True):
                assert says(text, value), (template, text, value, state)
