"""`python -m graph`, and the console script."""

import gc

gc.disable()  # what imports make stays: looking for garbage in it takes a tenth of the start

from graph.commands import main  # noqa: E402  # see above

if __name__ == "__main__":  # a worker imports this file too
    main()
