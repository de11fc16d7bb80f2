"""`python -m graph`: the command line, where the console script is not installed."""

from graph.commands import main

main()
