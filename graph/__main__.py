"""`python -m graph`: the command line, where the console script is not installed."""

from graph.commands import main

if __name__ == "__main__":  # a worker imports this file too
    main()
