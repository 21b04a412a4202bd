"""``python -m edge_cifar``."""

from edge_cifar.cli.main import entry

entry()
