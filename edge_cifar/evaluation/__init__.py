"""Figures about predictions: accuracy, calibration, agreement, paired comparison, Pareto front. NumPy only."""
