"""``python -m isomorph``: the command line."""

import sys

from isomorph.cli import main

if __name__ == "__main__":
    sys.exit(main())
