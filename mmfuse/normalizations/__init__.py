"""Normalisations, one a module; the module's name is the normalisation's name."""
