"""File formats, one a module; the module's name is the format's name."""
