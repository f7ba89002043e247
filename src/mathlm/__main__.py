"""`python -m mathlm` is the command `mathlm`."""

import sys

from mathlm.cli import main

if __name__ == "__main__":
    sys.exit(main())
