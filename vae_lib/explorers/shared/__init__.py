"""What explorers share: traits and scripts (`base`), a trained network, the running example, a panel."""
