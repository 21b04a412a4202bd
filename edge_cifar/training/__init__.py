"""Training: a recipe's phases on a backbone. Written on Keras 3 alone, whatever its backend."""
