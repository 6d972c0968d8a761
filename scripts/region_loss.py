#!/usr/bin/env python3
"""`dr run region-loss`: carry out the plan for the loss of the primary region (exit codes as `dr run`)."""

import sys

from recovery.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["run", "region-loss", *sys.argv[1:]]))
