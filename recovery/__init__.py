"""Acts: the way back. Never imports the rehearsal; knows of infra only the contract (infra/outputs.py)."""
