"""So much of Colab's own package as explorers ask for, where the real one is not installed."""
