"""The loss of the variational autoencoder, derived.

Everything is per sample, in nats, with shape (B,); the batch mean is taken last. The modules follow the
derivation, and each imports only from those before it: `gaussian`, `likelihoods`, `linear_gaussian`,
`estimators`, `objective`, `models`, `training`, `diagnosis`. `linear_gaussian` is a model for which every
quantity is known exactly. `diagnose` says what is wrong with a loss, and `gallery` holds programs whose loss
is wrong. `plotting` draws the book's figures; no other module needs it.
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
