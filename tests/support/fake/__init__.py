"""The test double of the made-up format :mod:`support.formats.fake`: its converter, its runtime and its reader."""
