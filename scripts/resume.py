#!/usr/bin/env python3
"""`dr resume`: take the latest run up again, e.g. when the operator's machine comes back."""

import sys

from recovery.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["resume", *sys.argv[1:]]))
