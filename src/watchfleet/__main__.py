"""`python -m watchfleet`: the command line, wherever its script is not on the path."""

from watchfleet.cli import main

main()
