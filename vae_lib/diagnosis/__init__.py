"""Says what is wrong with a VAE's loss: a model and its loss are checked against the book's equations."""

# adapt           takes batches, losses and outputs as they are written
# places          finds mu, logvar, z and the decoder's output in a step, and puts chosen values there
# state           keeps what a step may change, and puts it back
# probe           runs the training step with chosen values in place of the networks' outputs
# nets            checks the two networks themselves
# terms           finds the KL term by its gradient
# reconstruction  finds the reconstruction term by its gradient
# weights         compares the factors of the two terms
# draw            checks how z is drawn
# aims            what else a program may pursue, and what it reports
# findings        the table of findings, and their texts
# report          the result
# gallery         programs with one line wrong

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from vae_lib import _validate as require
from vae_lib.diagnosis import aims, draw, nets, reconstruction, terms, weights
from vae_lib.diagnosis.findings import FINDINGS, Fault, Finding, finding
from vae_lib.diagnosis.probe import Probe
from vae_lib.diagnosis.report import CHECKS, Check, Diagnosis, DiagnosisError

__all__ = ["FINDINGS", "Check", "Diagnosis", "DiagnosisError", "Finding", "diagnose"]


def diagnose(
    model: nn.Module,
    loss: Callable[..., Tensor],
    x: object,
    *,
    beta: float = 1.0,
    likelihood: nn.Module | None = None,
    seed: int = 0,
    mu: str | None = None,
    logvar: str | None = None,
    decoder: str | None = None,
    encoder: str | None = None,
    order: Sequence[str] | None = None,
    optimizer: object = None,
) -> Diagnosis:
    """Check the loss of a VAE against the equations of the book, and say in words what is wrong.

    The training step is run as it is, with chosen values in place of what encoder and decoder put out, so
    that
    the two terms, their gradients and the draw of z can be checked one by one. Nothing is trained; the model,
    its gradients, its mode, the counters of the step and the global generators are as before when it ends.

    Args:
        model: any module.
        loss: the whole step, loss(model, batch) or step(batch); or loss(params, x, mu, logvar), of
            `params, mu, logvar = model(x)`, in the order that the names of its arguments tell. It returns a
            scalar, or a dictionary or tuple with it.
        x: a batch as it goes into training, (B, ...), alone or with labels in a tuple or a dictionary.
        beta: the weight of the KL term that is wanted; given to a loss that has an argument for it.
        likelihood: the p(x|z) that is wanted, with log_prob(x, params), such as `likelihoods.Gaussian()`.
            With None, the usual ones are recognized by their gradient. The scale of a squared error is not
            known, so neither is β: the result names the scale that the weight implies for the wanted β, see
            (7.6).
        seed: of the values that are chosen.
        mu, logvar, decoder, encoder: where a model has no encode and decode, or does not use them: paths to
            submodules or functions of the model, such as "encoder.fc_mu". Without them they are looked for.
        order: what the arguments of the loss are, where their names do not tell, such as
            ("x", "params", "mu", "logvar").
        optimizer: the optimizer, to see whether it holds all parameters.

    Returns:
        Diagnosis: its `checks` say of each thing that was looked at whether it is right, wrong or open.

    Raises:
        ValueError: model, loss or x is not as described, or the networks' outputs are not found in the step.
        An error inside the step is not caught.

    Source: book equations (3.4), (4.5), (6.1), (7.1) and (7.6); what it finds is the subject of chapter 9.
    """
    beta = require.positive("beta", beta)
    names = {"mu": mu, "logvar": logvar, "decoder": decoder, "encoder": encoder}
    with Probe(model, loss, x, seed, beta=beta, order=order, names=names, optimizer=optimizer) as probe:
        return _Examination(probe, beta, likelihood).result()


class _Examination:
    """All checks of one program, one after the other; an error of one of them ends that one alone."""

    def __init__(self, probe: Probe, beta: float, likelihood: nn.Module | None):
        self.probe, self.beta, self.likelihood = probe, beta, likelihood
        self.faults: dict[str, list[Fault]] = {name: [] for name in CHECKS}
        self.open: dict[str, str] = {}
        self.unchecked: list[str] = []
        self.remarks: list[str] = []
        self.name: str | None = None
        self.ratio: float | None = None
        self.words = ""

    def result(self) -> Diagnosis:
        probe = self.probe
        fault = probe.first_run()
        if fault:
            why = "the first step is not as it should be"
            self.open = dict.fromkeys(CHECKS, why)
            self.faults["ranges"].append(fault)
            return self._diagnosis()
        if probe.not_diagonal:
            self._without_kl(probe.not_diagonal)
            return self._diagnosis()
        self.faults["gradient paths"] += nets.without_gradient(probe)
        self._optimizer()
        self._try("ranges", self._ranges)
        seen = probe.observe()
        if probe.not_finite and not math.isfinite(seen.loss):
            self.open = dict.fromkeys(CHECKS, "the loss is not finite, whatever the networks put out")
            self.faults["ranges"] = [Fault("not_finite", "NaN or infinity in the loss")]
            return self._diagnosis()
        if probe.not_finite:
            self.faults["ranges"].append(probe.not_finite)
        annealed = self._try("weight", lambda: aims.annealing(probe, seen))
        if annealed:
            seen = probe.observe()
        term, kl = self._terms(seen)
        self._try("weight", lambda: self._weight(seen, term, kl, annealed))
        self._try("draw", lambda: self._draw(kl))
        self._try("modes", self._modes)
        self._try("ranges", lambda: self._after(seen, term, kl))
        self._batch_size()
        return self._diagnosis()

    def _try(self, name: str, check: Callable):
        """Runs one check; what surprises it makes it open."""
        try:
            return check()
        except Exception as error:
            text = str(error).splitlines()
            self._leave(name, f"it stopped with {type(error).__name__}: {text[0][:160] if text else ''}")

    def _leave(self, name: str, why: str) -> None:
        self.open.setdefault(name, why)
        self.unchecked.append(why)

    # The checks

    def _optimizer(self) -> None:
        probe = self.probe
        given = probe.optimizer if isinstance(probe.optimizer, list | tuple) else [probe.optimizer]
        known = [one for one in given if one is not None] or probe.state.optimizers
        faults, _ = nets.optimizer_lacks(probe, known)
        self.faults["gradient paths"] += faults

    def _ranges(self) -> None:
        self.probe.decode_range, self.mu_range, self.s_range = nets.ranges(self.probe)

    def _terms(self, seen) -> tuple:
        probe = self.probe
        term = self._try(
            "reconstruction", lambda: reconstruction.reconstruction_term(probe, seen, self.likelihood)
        )
        term = term or reconstruction.ReconstructionTerm()
        unit = abs(term.weight) if term.weight else 1 / len(seen.mu)
        kl = self._try("KL formula", lambda: terms.kl_term(probe, seen, term.weights, unit)) or terms.KLTerm()
        if term.weight and term.weight < 0 and kl.weight:
            found = f"{term.weight / abs(kl.weight):.3g} times this"
            signs = [fault.code == "reconstruction_sign" for fault in term.faults]
            faults = zip(term.faults, signs, strict=True)
            term.faults = [fault._replace(found=found) if sign else fault for fault, sign in faults]
        self.faults["reconstruction"] += term.faults
        self.faults["KL formula"] += kl.faults
        self.name = term.likelihood
        self.remarks += [term.remark] if term.remark else []
        if term.unchecked and not term.faults:
            self._leave("reconstruction", term.unchecked.removeprefix("the reconstruction: "))
            self.unchecked[-1] = term.unchecked
        if kl.open:
            self._leave("KL formula", kl.open)
        if term.weights is not None:
            self._bound(seen, term, kl)
        return term, kl

    def _bound(self, seen, term, kl) -> None:
        """Several draws with unequal weights: an importance-weighted bound, or something else."""
        L = self.probe.draws * self.probe.rows_per_image
        meaning = reconstruction.bound_of_draws(self.probe, seen, term, kl.meaning)
        what = (
            f"an importance-weighted bound of {L} draws"
            if meaning
            else f"{L} draws with weights of another kind"
        )
        self.faults["reconstruction"].append(Fault("several_draws", what))
        self.name = f"{term.likelihood}, {what}"
        if meaning:
            kl.meaning, kl.aim = meaning, what
            kl.faults[:] = [fault for fault in kl.faults if fault.code not in ("kl_formula", "kl_sign")]
            self.faults["KL formula"] = list(kl.faults)
            self.open.pop("KL formula", None)

    def _weight(self, seen, term, kl, annealed) -> None:
        probe = self.probe
        if not (term.weight and kl.weight) or kl.aim or term.weights is not None:
            if annealed:
                self.faults["weight"].append(annealed.fault(None))
            missing = "the KL term" if not kl.weight else "the reconstruction term"
            why = f"the loss has {kl.aim}" if kl.aim else f"{missing} is not known"
            if term.weights is not None and kl.aim and kl.aim.startswith("an importance"):
                return
            self.open.setdefault("weight", why)
            return
        found = weights.weight(probe, seen, term, kl, self.beta)
        scaled = weights.learned_scale(probe, seen, term) if term.with_a_scale else None
        if scaled is not None:
            self.name = scaled.name
            self.faults["reconstruction"] += scaled.faults
            if scaled.coefficient:
                term.weight, term.trained = scaled.coefficient, scaled.doubled or scaled.words
                found = weights.weight(probe, seen, term, kl, self.beta)
                if scaled.faults:
                    found.faults = []
            elif scaled.faults:
                found.faults = []
        self.ratio, self.words = found.beta, found.words
        if scaled is not None:
            net = f"{found.words}; " if found.beta is not None else ""
            self.words = f"{net}{scaled.words}"
        if annealed:
            self.faults["weight"].append(annealed.fault(found.beta))
            if annealed.end is None:
                found.faults = [
                    fault
                    for fault in found.faults
                    if fault.code not in ("beta", "kl_half_twice", "kl_without_half")
                ]
                self.open.setdefault("weight", "it changes from call to call, and where it goes is not seen")
        self.faults["weight"] += found.faults
        if term.with_a_scale and not found.faults:
            symbol = reconstruction.WITH_A_SCALE[term.likelihood][0]
            self.name = f"{term.likelihood}, {symbol} = {found.scale:.3g} if β = {self.beta:g}"
            self._leave(
                "weight", f"it is a choice of {symbol}, see (7.6): say with likelihood= which one is meant"
            )
            self.unchecked[-1] = "the weight of the KL term: it is a choice of " + symbol + ", see (7.6)"
        elif (
            found.beta is not None
            and not (term.faults or kl.faults or found.faults)
            and not (kl.estimated or probe.other_q)
            and not probe.rows_per_image > 1
        ):
            faults, remark = weights.wrong_constant(probe, seen, term, kl)
            self.faults["KL formula"] += faults
            self.remarks += [remark] if remark else []

    def _draw(self, kl) -> None:
        faults, undrawn = draw.wrong_draw(self.probe, kl.meaning)
        self.faults["draw"] += faults
        if undrawn:
            self._leave("draw", undrawn.removeprefix("the draw: "))
            self.unchecked[-1] = undrawn

    def _modes(self) -> None:
        faults, why = nets.modes(self.probe)
        if any(fault.code in ("no_noise",) for fault in self.faults["draw"]):
            faults = []
        self.faults["modes"] += faults
        if why:
            self._leave("modes", why)

    def _after(self, seen, term, kl) -> None:
        """What is asked of the networks when the two terms are known."""
        probe = self.probe
        self.faults["ranges"] += nets.same_head(probe)
        if not self.faults["ranges"]:
            self.faults["ranges"] += nets.bounded(probe, self.mu_range, self.s_range, kl.meaning)
        found = {fault.code for faults in self.faults.values() for fault in faults}
        if not found & {
            "output_range",
            "data_outside_unit_interval",
            "not_finite",
        }:  # then the scale of the data is the cause
            self.faults["ranges"] += nets.unstable(probe, kl.meaning, term.likelihood)
        self.faults["gradient paths"] += nets.bypass(probe, seen)
        self.faults["KL formula"] += aims.logged_kl(probe, seen, kl)

    def _batch_size(self) -> None:
        probe = self.probe
        if probe.same_size_only:
            if probe.outside_rows():
                self._leave(
                    "batch size", "the step holds other data of the same length, so it takes this batch only"
                )
            else:
                self.faults["batch size"].append(
                    Fault("batch_size_fixed", f"with another number of images: {probe.same_size_only}")
                )

    def _without_kl(self, why: str) -> None:
        self.open = dict.fromkeys(CHECKS, why)
        self._optimizer()
        self.unchecked.append(why)

    # The result

    def _diagnosis(self) -> Diagnosis:
        probe = self.probe
        faults = [fault for name in ORDER for fault in self.faults[name]]
        unique = list({fault.code: fault for fault in reversed(faults)}.values())[::-1] if faults else []
        sizes = {"D": self.probe.x[0].numel(), "J": getattr(probe, "J", 0), "beta": self.beta}
        found = tuple(finding(fault, **sizes) for fault in unique)
        errors = {one.code for one in found if one.severity == "error"}
        checks = []
        for name in CHECKS:
            codes = [fault.code for fault in self.faults[name] if fault.code in errors]
            if codes:
                checks.append(Check(name, "wrong", ", ".join(codes)))
            elif name in self.open:
                checks.append(Check(name, "open", self.open[name]))
            else:
                checks.append(Check(name, "right"))
        return Diagnosis(
            found,
            self.name,
            self.ratio,
            tuple(dict.fromkeys(self.unchecked)),
            tuple(checks),
            self.words,
            tuple(probe.took + self.remarks),
            probe.runs,
        )


# The findings come in the order in which chapter 9 asks.
ORDER = ("gradient paths", "reconstruction", "KL formula", "weight", "draw", "modes", "ranges", "batch size")
