#!/usr/bin/env python3
"""`dr status`: what stands, what would be lost now; for cron and dashboards."""

import sys

from recovery.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["status", *sys.argv[1:]]))
