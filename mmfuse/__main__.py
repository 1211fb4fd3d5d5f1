"""`python -m mmfuse`."""

from mmfuse.cli.main import main

main()
