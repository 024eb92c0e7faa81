"""The loss of the variational autoencoder, derived.

Everything is per sample, in nats, with shape (B,); the batch mean is taken last. Inside the package the
order of the derivation is the order of the floors: `gaussian` and `likelihoods` below, `estimators` and
`objective` above them, `models` and `training` on top; `linear_gaussian` is the oracle where every quantity
is known exactly. `diagnose` says what is wrong with a loss, and `gallery` holds programs whose loss is.
`plotting` knows the mathematics; the mathematics does not know `plotting`.
"""

from vae_lib import (
    datasets,
    diagnosis,
    estimators,
    gaussian,
    likelihoods,
    linear_gaussian,
    models,
    objective,
    training,
)
from vae_lib.diagnosis import diagnose, gallery

__version__ = "0.1.0"
__all__ = [
    "datasets",
    "diagnose",
    "diagnosis",
    "estimators",
    "gallery",
    "gaussian",
    "likelihoods",
    "linear_gaussian",
    "models",
    "objective",
    "training",
]
