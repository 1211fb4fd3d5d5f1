"""Fusion strategies, one a module; the module's name is the strategy's name."""
