"""What several architectures share: layers, heads, preprocessing, recipes, pretrained weights."""
