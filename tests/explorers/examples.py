"""Data for the explorers that show what was computed before."""

from __future__ import annotations

import functools

import torch

from vae_lib import datasets, gallery
from vae_lib.explorers import which_bug


@functools.cache
def bugs() -> dict:
    """Small programs of chapter 9 that learned from 64 images."""
    torch.set_num_threads(1)
    digits = datasets.load_digits()
    programs = {code: kind(64, 8, hidden=(16,), seed=0) for code, kind in gallery.PROGRAMS.items()}
    generator = torch.Generator().manual_seed(0)
    curves = {code: gallery.train(program, 255 * digits.x_train[:64], epochs=which_bug.EPOCHS)
              for code, program in programs.items()}  # fmt: skip
    prints = {code: gallery.fingerprint(program, 255 * digits.x_test, generator=generator)
              for code, program in programs.items()}  # fmt: skip
    samples = {
        code: program.generate(6, generator=generator, mean=True) for code, program in programs.items()
    }
    return which_bug.cases(curves, prints, samples)


DATA = {"which_bug": bugs}
