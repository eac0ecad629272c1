"""python -m fastcurv: the command line."""

import sys

from fastcurv._cli import main

if __name__ == "__main__":
    sys.exit(main())
