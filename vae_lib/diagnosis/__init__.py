"""Says what is wrong with a VAE's loss: a model and its loss are checked against the book's equations."""

# adapt      takes model and loss as they are written
# probe      runs the training step with chosen values in place of the networks' outputs
# nets       checks encode and decode themselves
# terms      finds the KL term and the reconstruction term by their gradients
# weights    compares the factors of the two terms
# draw       checks how z is drawn
# findings   the table of findings, and their texts
# gallery    programs with one line wrong

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib.diagnosis import draw, nets, terms, weights
from vae_lib.diagnosis.findings import FINDINGS, Diagnosis, Finding, finding
from vae_lib.diagnosis.probe import Probe

__all__ = ["FINDINGS", "Diagnosis", "Finding", "diagnose"]


def diagnose(
    model: nn.Module,
    loss: Callable[..., Tensor],
    x: Tensor,
    *,
    beta: float = 1.0,
    likelihood: nn.Module | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Check the loss of a VAE against the equations of the book, and say in words what is wrong.

    The training step is run on a copy of the model whose encode and decode return values chosen here, so
    that the two terms, their gradients and the draw of z can be checked one by one. Nothing is trained; the
    model, its gradients, its mode and torch's global generators stay as they are. So does a loss that is an
    object or a method and counts its calls, as for a warm-up of β; a counter of a plain function advances.

    Args:
        model: any module with encode(x) -> (mu, logvar) and decode(z) -> params, one tensor each.
        loss: loss(params, x, mu, logvar), of `params, mu, logvar = model(x)`; or loss(model, x), the whole
            step. It returns a scalar and has one draw of z per image. Where its first argument is called x,
            target or the like, and the second is not, it gets (x, params, mu, logvar).
        x: a batch as it goes into training, (B, ...).
        beta: the weight of the KL term that is wanted.
        likelihood: the p(x|z) that is wanted, with log_prob(x, params), such as `likelihoods.Gaussian()`.
            With None, Bernoulli, continuous Bernoulli, Gaussian and Laplace are recognized by their gradient.
            The scale of the last two is not known, so neither is β: the result names the scale that the
            weight implies for the wanted β, see (7.6).
        seed: of the values that are chosen.

    Returns:
        Diagnosis: without findings if the loss is minus the ELBO up to a factor in front of all of it.

    Raises:
        ValueError: model, loss or x is not as described. An error inside the step is not caught.

    Source: book equations (3.4), (4.5), (6.1), (7.1) and (7.6); what it finds is the subject of chapter 9.
    """
    beta = require.positive("beta", beta)
    probe = Probe(model, loss, x, seed)
    if fault := probe.first_run():
        return Diagnosis((finding(fault),))
    faults = nets.without_gradient(probe)
    probe.decode_range = nets.output_range(probe)
    seen = probe.observe()
    kl, reconstruction = terms.kl_term(probe, seen), terms.reconstruction_term(probe, seen, likelihood)
    name, unchecked = reconstruction.likelihood, reconstruction.unchecked
    ratio, wrong = None, []
    if reconstruction.weight and kl.weight:
        ratio, wrong = weights.wrong_weights(probe, seen, reconstruction, kl, beta)
        if ratio and not (reconstruction.faults or kl.faults or wrong):
            wrong = weights.wrong_constant(seen, reconstruction, kl)
        if name in terms.WITH_A_SCALE and not wrong:
            name, unchecked = weights.implied_scale(reconstruction, kl.weight, beta)
    wrong_draw, undrawn = draw.wrong_draw(probe, kl.meaning)
    faults += reconstruction.faults + kl.faults + wrong + wrong_draw
    return Diagnosis(
        tuple(finding(fault, D=probe.D, J=probe.J, beta=beta) for fault in faults),
        name,
        ratio,
        tuple(text for text in (unchecked, undrawn) if text),
    )
