#!/usr/bin/env python3
"""`dr state keep`: keep contracts and exports where recovery finds them; for CI, after each `up`."""

import sys

from recovery.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["state", "keep", *sys.argv[1:]]))
