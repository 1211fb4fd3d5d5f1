"""Commands that are not strategies, one a module: the function of the module's name."""
