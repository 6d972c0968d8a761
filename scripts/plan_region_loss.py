#!/usr/bin/env python3
"""`dr plan region-loss`: check daily that the plan could be carried out (exit code 1 when not)."""

import sys

from recovery.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["plan", "region-loss", *sys.argv[1:]]))
