"""`python -m rehearsal.cli`."""

from rehearsal.cli import main

main()
