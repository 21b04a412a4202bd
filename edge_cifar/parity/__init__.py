"""Parity: every artifact is compared with the Keras model it was made from, by the predictions in its bundle."""
