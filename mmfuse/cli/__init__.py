"""The command line: arguments in, calls of the public functions, messages out."""
