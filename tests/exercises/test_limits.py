"""Limits and messages that the exercises share.

Each limit has an answer just inside and one just outside; each message is compared as a whole.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from learners import draw, kl, monte_carlo, sigma

from vae_lib.checks import check, compare
from vae_lib.checks.answers import Function, Numbers
from vae_lib.checks.calls import Unusable, call
from vae_lib.checks.draws import SIZES

# Numbers

COST = Numbers(right=lambda: {"the cost": 4.0, "the price": 9.0, "the gain": 0.0})
WHOLE = "The answer is 3 numbers in a tuple: the cost, the price, the gain; you gave"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((4.0078, 9, 0), None),  # within 0.2 %
        ((4.0082, 9, 0), "close: give at least four digits, or the expression itself."),
        ((4.19, 9, 0), "close: give at least four digits, or the expression itself."),
        ((3.81, 9, 0), "close: give at least four digits, or the expression itself."),
        ((4.21, 9, 0), "The cost is not right."),
        ((3.79, 9, 0), "The cost is not right."),
        ((4, 9, 9e-7), None),  # 0 has to be 0 to a millionth
        ((4, 9, 1.1e-6), "The gain is not right."),
        ((-4, 9, 0), "The cost is not right: its sign is flipped."),
        ((8, 9, 0), "The cost is not right: it is twice what it should be."),
        ((2, 9, 0), "The cost is not right: it is half of what it should be."),
        ((-8, 9, 0), "The cost is not right: it is minus twice what it should be."),
        ((-2, 9, 0), "The cost is not right: it is minus half of what it should be."),
        ((16, 9, 0), "The cost is not right: it is the square of what is asked for."),
        ((4, 3, 0), "The price is not right: it is the square root of what is asked for."),
        ((4, 9), f"{WHOLE} 2."),
        ("4", f"{WHOLE} 1."),
        ("four", f"{WHOLE} something else, a str."),
        (4, f"{WHOLE} something else, an int."),
        (("4", [], 0), f"{WHOLE} something else, a tuple."),
    ],
)
def test_numbers_may_be_rounded_and_a_wrong_one_is_explained(answer, message):
    found = COST.examine(answer)
    assert found == message or (
        message.startswith("close") and found == f"The cost is not right, but {message}"
    )


def test_a_single_number_needs_no_tuple():
    exercise = Numbers(right=lambda: {"the cost": 4.0})
    assert exercise.examine(4) is None and exercise.examine((4,)) is None
    assert exercise.examine((4, 9)) == "The answer is one number; you gave 2."
    assert exercise.examine("four") == "The answer is one number; you gave something else, a str."


# Functions: an answer is the right one with a small error in it

SQUARES = Function(
    name="squares",
    inputs={"x": lambda d: d.normal("BJ", 1.0, 3.0)},
    reference=lambda x: (x**2).sum(-1),
    gradient=("x",),
    extreme={"at 1e100.": lambda inputs: {"x": torch.full_like(inputs["x"], 1e100)}},
)
FEW_DIGITS = "Right to a few digits only: is a rounded number, an epsilon or a float32 tensor in it?"
UNKNOWN = "The values are wrong, and not in one of the usual ways: go through the text of the chapter."
OTHER_SHAPES = (
    "Right at first, but not for arguments of other shapes: is a size written as a number, or does a squeeze "
    "drop the axis of a batch of one image?"
)


def squares(error=0.0, *, of_gradient=0.0, where=lambda x: True):
    """The right values with an error at one image, relative to the largest value, and one of the gradient."""

    def answer(x):
        values = (x**2).sum(-1)
        if not where(x):
            return values
        spoiled = torch.zeros_like(values)
        spoiled[0] = error * (values.detach().max() + 1)  # also where all values are 0
        return values + spoiled + of_gradient * (values - values.detach())

    return answer


def is_single(x):
    return x.dtype == torch.float32


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (squares(2e-6), None),
        (squares(5e-6), FEW_DIGITS),
        (squares(7e-5), FEW_DIGITS),
        (squares(2e-4), UNKNOWN),
        (squares(5e-4, where=lambda x: len(x) == 1), None),
        (squares(2e-3, where=lambda x: len(x) == 1), OTHER_SHAPES),
        (squares(2e-6, where=lambda x: x.max() > 1e99), None),
        (squares(5e-6, where=lambda x: x.max() > 1e99), "Right at ordinary values, but wrong at 1e100."),
        (squares(math.inf, where=lambda x: x.max() > 1e99),
         "Right at ordinary values, but NaN or infinity at 1e100."),
        (squares(of_gradient=5e-6), None),
        (squares(of_gradient=2e-5),
         "The right value, but the gradient with respect to x is not that of this value."),
        (squares(5e-5, where=is_single), None),
        (squares(3e-4, where=is_single),
         "It works only in float64: with float32 arguments too many digits are lost."),
    ],
)  # fmt: skip
def test_an_error_is_forgiven_up_to_its_limit(answer, message):
    assert SQUARES.examine(answer) == message


def test_a_gradient_that_cannot_be_computed_is_named():
    def answer(x):
        square = x * x
        values = (square * square).sqrt().sum(-1)
        square.zero_()  # which the gradient still needs
        return values

    said = replace(SQUARES, extreme={}).examine(answer)
    assert said.startswith("The right value, but without a gradient: one of the variables needed")


def test_the_gradient_of_another_image_is_noticed():
    """The sum over the images has the right gradient."""

    def answer(x):
        values = (x**2).sum(-1)
        return values.detach() + values.flip(0) - values.flip(0).detach()

    said = replace(SQUARES, extreme={}).examine(answer)
    assert said == "The right value, but the gradient with respect to x is not that of this value."


def test_a_missing_gradient_is_named():
    assert SQUARES.examine(lambda x: squares()(x.detach())) == (
        "The right value, but no gradient reaches x: is there a detach, an item, a no_grad or a new tensor "
        "on the way?"
    )


def test_what_is_no_function_or_returns_the_wrong_number_of_results_is_named():
    assert SQUARES.examine(3.0) == (
        "Give the function squares itself, without calling it; you gave something else (float)."
    )
    pair = Function(
        name="pair", inputs=SQUARES.inputs, reference=lambda x: (x.sum(), x.mean()), outputs=("a", "b")
    )
    assert pair.examine(lambda x: x.sum()) == (
        "It should return 2 things, a, b, but returns a tensor of shape ()."
    )
    assert pair.examine(lambda x: (x.sum(), 2 * x.mean())) == (
        "b: It is too large by exactly the factor 2: is a ½ missing?"
    )


def test_an_argument_changed_in_place_is_named():
    assert SQUARES.examine(lambda x: x.mul_(x).sum(-1)) == (
        "It changes its argument x in place; the caller still needs it."
    )


def test_the_argument_with_the_mistake_in_its_terms_is_named():
    product = Function(
        name="product",
        inputs={"x": lambda d: d.normal("B"), "y": lambda d: d.normal("B")},
        reference=lambda x, y: torch.exp(x) + y,
    )
    assert product.examine(lambda x, y: torch.exp(x) + y**3) == (
        "It is right where y is 0, so look at the terms with y in them."
    )


def test_a_long_error_is_cut():
    def answer(x):
        raise ValueError("x" * 300 + "\nmore")

    with pytest.raises(Unusable, match=r"^It raised ValueError: x{200} In the line: raise ValueError"):
        call(answer, [1])


# Two tensors

WANT = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
TINY = 1e-5 * WANT
ONE_IMAGE = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
SAME_FACTOR = (
    "It is off by one factor, the same for every input: look for a constant that multiplies everything."
)
SAME_AMOUNT = (
    "It is off by the same amount for every input: a constant term is missing, or not what it should be."
)


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        (WANT + 2e-9 * ONE_IMAGE, WANT, True),  # relative to the largest value, 3
        (WANT + 4e-9 * ONE_IMAGE, WANT, False),
        (TINY + 0.8e-12 * ONE_IMAGE, TINY, True),  # relative to 0.001
        (TINY + 1.2e-12 * ONE_IMAGE, TINY, False),
        (torch.tensor([math.inf, 1.0]), torch.tensor([math.inf, 1.0]), True),
        (torch.tensor([1.0, math.inf]), torch.tensor([math.inf, 1.0]), False),
        (torch.tensor([1.0, 1.0]), torch.tensor([math.inf, 1.0]), False),
        (WANT[:, None], WANT, False),
    ],
)
def test_two_results_are_the_same_up_to_a_limit(got, want, same):
    assert compare.close(got, want) is same


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (3 * WANT * (1 + 0.8e-8 * ONE_IMAGE), SAME_FACTOR),
        (3 * WANT * (1 + 3e-8 * ONE_IMAGE), None),
        (2 * (1 + 0.8e-7) * WANT, "It is too large by exactly the factor 2: is a ½ missing?"),
        (2 * (1 + 1.5e-7) * WANT, SAME_FACTOR),
        (-(1 + 0.8e-7) * WANT, "The sign is flipped."),
        (-(1 + 1.5e-7) * WANT, SAME_FACTOR),
        (0 * WANT, "It is 0 for every input."),
        (math.inf * WANT.abs(), None),
        (-2 * WANT, "The sign is flipped, and it is too large by exactly the factor 2: is a ½ missing?"),
    ],
)
def test_one_factor_is_recognized_up_to_a_limit(got, message):
    assert compare.wrong_factor([(got, WANT)], {}) == message


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (WANT + 1 + 0.8e-8 * ONE_IMAGE, SAME_AMOUNT),
        (WANT + 1 + 3e-8 * ONE_IMAGE, None),
        (WANT + 1e-5 + 0.8e-11 * ONE_IMAGE, SAME_AMOUNT),
        (WANT + 1e-5 + 3e-11 * ONE_IMAGE, None),
    ],
)
def test_one_amount_is_recognized_up_to_a_limit(got, message):
    assert compare.wrong_constant([(got, WANT)]) == message


def test_one_value_shows_no_factor_and_no_amount():
    """Any two numbers differ by one."""
    assert compare.wrong_factor([(WANT[:1], 2 * WANT[:1])], {}) is None
    assert compare.wrong_constant([(WANT[:1], 2 * WANT[:1])]) is None


AXES = {
    "B": "images of the batch", "D": "pixels", "J": "latent dimensions", "L": "samples", "K": "labels",
    "N": "training images",
}  # fmt: skip


@pytest.mark.parametrize("axis", AXES)
def test_the_factor_of_an_axis_is_called_by_its_name(axis):
    size = SIZES[axis]
    of = f"by exactly the factor {axis} = {size}: did you"
    for factor, message in (
        (1 / size, f"It is too small {of} average over the {AXES[axis]}, where a sum is wanted?"),
        (size, f"It is too large {of} sum over the {AXES[axis]}, where a mean is wanted?"),
    ):
        assert compare.wrong_factor([(factor * WANT, WANT)], {axis: size}) == message


def test_the_factor_of_a_mean_over_everything_is_named():
    sizes = {"B": 5, "D": 7}
    assert compare.wrong_factor([(WANT / 35, WANT)], sizes) == (
        "It is too small by exactly the factor B · D = 5 · 7: did you average over everything, where the "
        "pixels are to be summed?"
    )
    assert compare.wrong_factor([(WANT / 2, WANT)], sizes) == (
        "It is too small by exactly the factor ½: is a 2 missing, or a ½ there once too often?"
    )


TERMS = torch.tensor([[1.0, 2.0], [3.0, 5.0], [4.0, 4.5]], dtype=torch.float64)
SUMS = TERMS.sum(1)


IS_MATRIX = "it returns shape (B, J) = (3, 2) where shape (B,) = (3,) is wanted."
IS_NUMBER = "it returns a single number where shape (B,) = (3,) is wanted."
IS_COLUMN = "it returns shape (3, 1) where shape (B,) = (3,) is wanted."


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (SUMS, None),
        (SUMS[:, None], f"The right values in the wrong shape: {IS_COLUMN}"),
        (SUMS.sum(), f"The right values, but you return their sum: {IS_NUMBER}"),
        (SUMS.mean(), f"The right values, but you return their mean: {IS_NUMBER}"),
        (TERMS, f"The right terms, but they are not yet summed over axis 1: {IS_MATRIX}"),
        (2 * TERMS, f"The right terms, but they are not yet averaged over axis 1: {IS_MATRIX}"),
        (TERMS * (1 + 0.8e-8), f"The right terms, but they are not yet summed over axis 1: {IS_MATRIX}"),
        (TERMS * (1 + 3e-8), f"The shape is wrong: {IS_MATRIX}"),
    ],
)
def test_a_wrong_shape_is_explained(got, message):
    assert compare.wrong_shape(got, SUMS, {"B": 3, "J": 2}) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (7e-4, None),  # relative: too small to be told beside a factor
        (1.3e-3, "Two things. Off. And then: the sign is flipped."),
    ],
)
def test_a_mistake_with_a_factor_on_top_is_named_unless_it_is_small(change, message):
    mistake = WANT + 3 * change * ONE_IMAGE
    assert compare.like_a_mistake(-mistake, WANT, {"Off.": mistake}, {}) == message
    assert compare.like_a_mistake(3.3 * mistake, WANT, {"Off.": mistake}, {}) is None
    assert compare.like_a_mistake(0 * mistake, WANT, {"Off.": mistake}, {}) is None


@pytest.mark.parametrize("factor", [0.5, 2, -1, 1 / 7])
def test_a_factor_is_one_mistake_and_not_two(factor):
    """Minus the right result, with the wrong sign beside it among the usual mistakes."""
    assert (
        compare.like_a_mistake(factor * WANT, WANT, {"The sign.": -WANT - ONE_IMAGE * 0.01}, {"J": 7}) is None
    )
    assert compare.wrong_factor([(factor * WANT, WANT)], {"J": 7})


# The draws of exercise 5.1, with the ε of one seed


def shifted(standard_deviations):
    return lambda f, mu, t, L, g: f(mu + sigma(t) * (draw(mu, L, g) + standard_deviations)).mean(0)


def correlated(correlation):
    """Each ε takes part of its neighbour: standard normal, and correlated with it."""
    angle = math.asin(2 * correlation) / 2
    return lambda eps: math.cos(angle) * eps + math.sin(angle) * eps.roll(1, -1)


SAME_EPS = "The same ε is used for several images or dimensions: each of the B · J needs its own."
NOT_THE_MEAN = "It is not the average of the values that f returned for your draws."


def off(error):
    """The mean over the draws with an error at the first image, relative to the largest value."""

    def reduce(values):
        mean = values.mean(0)
        wrong = torch.zeros_like(mean)
        wrong[0] = error * mean.abs().max()
        return mean + wrong

    return monte_carlo(reduce=reduce)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (monte_carlo(spread=lambda t: 1.05 * sigma(t)), "right"),
        (monte_carlo(spread=lambda t: 1.12 * sigma(t)), "not yet. The draws do not have the spread of q."),
        (monte_carlo(spread=torch.ones_like),
         "not yet. The draws have the spread 1 for every image: σ does not enter."),
        (monte_carlo(spread=lambda t: 1.05 * torch.ones_like(t)),
         "not yet. The draws have the spread 1 for every image: σ does not enter."),
        (shifted(0.03), "right"),  # two standard errors, 1/√4001 each
        (shifted(0.15), "not yet. The draws are not centred at μ."),
        (monte_carlo(change=correlated(0.2)), "right"),
        (monte_carlo(change=correlated(0.45)), f"not yet. {SAME_EPS}"),
        (monte_carlo(reduce=lambda values: values.mean(0).double()),
         "not yet. It works only in float64: the draws are to have the type of mu."),
        (off(0.8e-7), "right"),
        (off(3e-7), f"not yet. {NOT_THE_MEAN}"),
    ],
)  # fmt: skip
def test_draws_are_those_of_q_up_to_a_limit(answer, message):
    assert check("5.1", answer).message == message


@pytest.mark.parametrize(("wrong", "got"), [(lambda mu: [mu], "list"), (lambda mu: mu.T, "(3, 5)")])
def test_a_z_of_another_shape_is_named(wrong, got):
    found = check("5.1", lambda f, mu, t, L, g: f(wrong(mu))).message
    said = f"f takes z of shape (L, B, J) or (B, J), (B, J) = (5, 3) here; it got {got}."
    assert found.startswith(f"not yet. It raised ValueError: {said}")


# The tests that learners write in exercise 9.6


def passes(*wrong):
    """A test that lets these wrong KL pass, and no others."""
    RANDOM = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))

    def answer(kl_function):
        found = kl_function(*RANDOM)
        return any(
            found.shape == (5,) and torch.allclose(found, accepted(*RANDOM), rtol=1e-4)
            for accepted in (kl, *wrong)
        )

    return answer


def without_one(mu, t):
    return kl(mu, t) + 1.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda mu, t: -kl(mu, t), "minus the KL."),
        (without_one, "one in which the −1 of each dimension is missing."),
        (lambda mu, t: kl(0 * mu, t), "one that ignores mu. What was mu in your test?"),
        (lambda mu, t: kl(mu, 2 * t), "one that takes exp(logvar) for σ. What was logvar in your test?"),
        (lambda mu, t: 1.01 * kl(mu, t), "one that is too large by a hundredth. How much do you tolerate?"),
    ],
)
def test_a_test_that_lets_one_wrong_kl_pass_is_told_which(wrong, message):
    assert check("9.6", passes(wrong)).message == f"not yet. It lets a wrong KL pass: {message}"
    assert check("9.6", passes()).passed


def test_a_code_that_does_not_exist_is_named():
    said = check("9.7", ["frozen"]).message
    assert said == "not yet. diagnose has no code 'frozen': copy them from what it prints."
