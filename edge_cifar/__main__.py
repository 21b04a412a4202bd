"""``python -m edge_cifar``."""

from edge_cifar.cli._main import entry

entry()
