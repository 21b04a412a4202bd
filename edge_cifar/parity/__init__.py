"""Parity: every artifact held against the Keras model it was made from, by the answers in its bundle."""
