"""Figures with sliders, one for each idea of the book: a Python class and a script of the same name.

In a notebook they are widgets (anywidget): `KL()` shows one, `explorer.sigma` reads a slider,
`explorer.sigma = 0.3` moves it. On the site the same script runs without a kernel.
"""

from vae_lib.explorers.elbo_gap import ElboGap
from vae_lib.explorers.generative import Generative
from vae_lib.explorers.implied_beta import ImpliedBeta
from vae_lib.explorers.kl import KL
from vae_lib.explorers.latent import Latent
from vae_lib.explorers.monte_carlo import MonteCarlo
from vae_lib.explorers.naive_monte_carlo import NaiveMonteCarlo
from vae_lib.explorers.rate_distortion import RateDistortion
from vae_lib.explorers.reconstruction_loss import ReconstructionLoss
from vae_lib.explorers.reparameterization import Reparameterization
from vae_lib.explorers.shared.base import Explorer
from vae_lib.explorers.which_bug import WhichBug

EXPLORERS: dict[str, type[Explorer]] = {
    cls.name: cls
    for cls in (
        Generative,
        NaiveMonteCarlo,
        ElboGap,
        KL,
        MonteCarlo,
        Reparameterization,
        ReconstructionLoss,
        ImpliedBeta,
        Latent,
        RateDistortion,
        WhichBug,
    )
}

__all__ = ["EXPLORERS", "Explorer", *sorted(cls.__name__ for cls in EXPLORERS.values())]
