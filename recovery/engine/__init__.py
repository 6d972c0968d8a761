"""The durable runner: runs, decisions, approvals, leases, journal."""
