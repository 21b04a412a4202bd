"""Export: a trained model becomes a bundle of checked artifacts."""
