"""What a program may pursue beside the ELBO: a weight that changes from call to call; and what it reports."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vae_lib.diagnosis.findings import Fault
from vae_lib.diagnosis.probe import Observation, Probe
from vae_lib.diagnosis.terms import SIGMA_OF, KLTerm, kl_of

CALLS = 3  # calls in a row in which a weight may change
CHANGED = 1e-4  # it has changed if it moved by more than this share
# Where a counter is set to see where a weight goes: a weight that comes again in cycles differs at the two.
LATE = (10**6, 10**6 + 37)
COUNTERS = r"(.*_)?(steps?|epoch|iters?|iteration|it|count|counter|n|t|i|calls)"


@dataclass
class Annealing:
    """The weights of the KL term in a row of calls, relative to the reconstruction term, and the one
    it goes to.
    """

    weights: list[float]
    end: float | None

    def fault(self, beta_at_end: float | None) -> Fault:
        """The note, with β where it is known."""
        last = self.end if self.end is not None else self.weights[0]
        unit = beta_at_end / last if beta_at_end and last else None
        if unit:
            now, *later = (f"{one * unit:.3g}" for one in self.weights)
            goes = f"; it seems to go to {self.end * unit:.3g}" if self.end is not None else ""
            return Fault("annealing", f"now β = {now}: then {', '.join(later)} in the next calls{goes}")
        first = next((one for one in self.weights if one), 1.0)
        texts = [f"{one / first:.4g}" for one in self.weights]
        goes = f", and late {self.end / first:.4g}" if self.end is not None else ""
        return Fault("annealing", f"in a row of calls it is as {' : '.join(texts)}{goes}")


def _weight_of(probe: Probe, seen: Observation, restore: bool) -> float:
    """The size of the gradient in mu and s, relative to that in params."""
    _, (in_mu, in_s, in_params) = probe.gradients_at(seen.mu, seen.s, seen.params, restore=restore)
    below = sum(part.double().square().sum() for part in in_params).sqrt().item()
    above = (in_mu.double().square().sum() + in_s.double().square().sum()).sqrt().item()
    return above / below if below else 0.0


def annealing(probe: Probe, seen: Observation) -> Annealing | None:
    """Does the weight change in a row of calls? If counters are seen, they are set late, to see the end.

    Afterwards the step is looked at as it is late, where that is known.
    """
    weights = [_weight_of(probe, seen, restore=True)]
    before = probe.state.numbers()  # after one call
    weights += [_weight_of(probe, seen, restore=False) for _ in range(CALLS - 1)]
    after = probe.state.numbers()
    size = max(weights)
    moves = any(abs(one - weights[0]) > CHANGED * size for one in weights)
    counted = [
        key
        for key in after
        if key in before and after[key][2] != before[key][2] and type(after[key][2]) is int
    ]
    if not moves and size:
        return None
    if not moves:
        counted = [
            key
            for key in after
            if type(after[key][2]) is int and re.fullmatch(COUNTERS, key.split(".")[-1], re.I)
        ]
        if not counted:
            return None
    late = _late(probe, seen, counted) if counted else []
    end = late[0] if late and max(late) - min(late) <= CHANGED * max(late) else None
    if not moves and not any(late):
        return None
    if end:
        _set(probe, counted, LATE[0])
        probe.state = probe._again()
    elif not weights[0] and weights[-1]:
        for _ in range(CALLS):
            _weight_of(probe, seen, restore=False)
        probe.state = probe._again()
        end = None
    probe._baseline = probe.state
    return Annealing(weights, end if end else None)


def _late(probe: Probe, seen: Observation, counted: list[str]) -> list[float]:
    """The weights where the counters are set late; none where the step fails there."""
    weights = []
    for value in LATE:
        probe.state.restore()
        _set(probe, counted, value)
        try:
            weights.append(_weight_of(probe, seen, restore=False))
        except Exception:
            weights = []
            break
    probe.state.restore()
    return weights


def _set(probe: Probe, keys: list[str], value: int) -> None:
    """Puts this number in all these places."""
    numbers = probe.state.numbers()
    for key in keys:
        place, name, _ = numbers[key]
        if name is None:
            place.cell_contents = value
        else:
            place[name] = value


def logged_kl(probe: Probe, seen: Observation, kl: KLTerm) -> list[Fault]:
    """Is a number that the loss returns as the KL term a positive multiple of it?"""
    if not seen.logged or kl.weight is None or kl.weight < 0 or kl.meaning not in SIGMA_OF:
        return []
    if kl.estimated or kl.aim or kl.faults:
        return []
    mu = (seen.mu.detach() * 0.5).requires_grad_()
    other, _ = probe.gradients_at(mu, seen.s, seen.params)
    values = [kl_of(one, seen.s, kl.meaning).sum().item() for one in (seen.mu, mu)]
    for name, value in seen.logged.items():
        if name not in other.logged or not value:
            continue
        named = bool(re.search(r"kl|divergence|regulari", name, re.I))
        factor, again = value / values[0], other.logged[name] / values[1]
        proportional = abs(factor - again) < 0.01 * abs(factor)
        if proportional and factor < 0:
            return [
                Fault(
                    "logged_kl",
                    f"{name!r} is minus the KL: {value:.4g}, where the loss trains with +{-value:.4g}",
                )
            ]
        if named and not proportional and value == value:
            return [
                Fault(
                    "logged_kl",
                    f"{name!r} is {value:.4g} and {other.logged[name]:.4g} where the KL is as "
                    f"{values[0]:.4g} to {values[1]:.4g}",
                )
            ]
    return []
