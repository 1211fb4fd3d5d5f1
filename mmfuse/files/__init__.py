"""Reading and writing feature files."""
