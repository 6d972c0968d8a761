"""Real PostgreSQL 17 servers, their archives and their recovery: the data plane of managed databases.

Nothing here knows a cloud. `programs` runs PostgreSQL's own programs as the world's unprivileged user,
`cluster` is one server, `archive` its base backups and write-ahead log, `wal` reads commits out of that log.
"""
