"""SQL jobs. They run on the machine, never in the operator's process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from recovery.endpoints import Endpoints
from recovery.runner.jobs import (
    NO_PASSWORD_OPENS,
    AwaitSql,
    CheckSql,
    GrantAccess,
    Result,
    SqlCheck,
    Target,
    Verdict,
)

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


class Secret(Protocol):
    """Reads a secret of the site; KeyError when there is no such secret or no such version of it."""

    def __call__(self, name: str, stage: str = "AWSCURRENT") -> Mapping[str, Any]:
        """Its JSON document."""
        ...


Tell = Callable[[str, float | None], None]

_STARTING_UP = "57P03"  # cannot_connect_now: still replaying the log

_SEQUENCES = """
select quote_ident(n.nspname) || '.' || quote_ident(t.relname), quote_ident(a.attname),
       quote_ident(sn.nspname) || '.' || quote_ident(s.relname), has_sequence_privilege(s.oid, 'select')
from pg_depend d
join pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_namespace sn on sn.oid = s.relnamespace
join pg_class t on t.oid = d.refobjid
join pg_namespace n on n.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  and n.nspname not in ('pg_catalog', 'information_schema') and has_table_privilege(t.oid, 'insert, select')
order by 1, 2
"""
"""Tables that the application writes with a serial or identity column, the column, its sequence, readable?"""


class SqlJobs:
    """Carries out the jobs. `secret` reads a secret of the site; `tell` reports progress."""

    def __init__(self, endpoints: Endpoints, secret: Secret, tell: Tell) -> None:
        self._endpoints = endpoints
        self._secret = secret
        self._tell = tell

    def await_sql(self, job: AwaitSql) -> Result:
        """See AwaitSql."""
        import psycopg

        def probe() -> str | None:
            try:
                with self._connect(job.target, job.target.master_secret) as connection:
                    return f"{connection.info.server_version}"
            except psycopg.OperationalError as error:
                return _answered(error)

        return Result(ok=True, values={"answer": self._until(job.seconds, "SQL answers", probe)})

    def grant_access(self, job: GrantAccess) -> Result:
        """See GrantAccess."""
        login = self._until(job.seconds, "the master role logs in", lambda: self._former_or_own(job))
        with login as connection:
            self._set_password(connection, self._secret(job.target.master_secret))
            self._ensure_role(connection, self._secret(job.target.app_secret))
        with self._connect(job.target, job.target.app_secret) as connection:
            user = connection.execute("select current_user").fetchone()
        return Result(ok=True, values={"app_role": user[0] if user else ""})

    def check_sql(self, job: CheckSql) -> Result:
        """See CheckSql."""
        import psycopg

        def login() -> Connection | None:
            try:
                return self._connect(job.target, job.target.master_secret)
            except psycopg.OperationalError as error:
                self._tell(f"waiting for SQL: {_short(error)}", None)
                return None

        verdicts: list[Verdict] = []
        values: dict[str, Any] = {}
        with self._until(job.seconds, "the master role logs in", login) as connection:
            values["server_version"] = connection.info.server_version
            verdicts.append(_write(connection, job.run))
        with self._connect(job.target, job.target.app_secret) as connection:
            verdicts += _sequences(connection)
            verdicts += [_check(connection, check) for check in job.checks]
            if job.watermark:
                row = connection.execute(job.watermark.encode()).fetchone()
                values["watermark"] = str(row[0]) if row and row[0] is not None else None
        bad = [v for v in verdicts if not v.ok]
        what = "; ".join(f"{v.name}: {v.detail}" for v in bad)
        return Result(ok=not bad, what=what, verdicts=tuple(verdicts), values=values)

    def _former_or_own(self, job: GrantAccess) -> Connection | None:
        """A connection as master with whichever known password opens; None while none does."""
        import psycopg

        refusal = ""
        known = [(job.target.master_secret, "AWSCURRENT")]
        known += [(name, stage) for name in job.former_secrets for stage in ("AWSCURRENT", "AWSPREVIOUS")]
        for name, stage in known:
            try:
                return self._connect(job.target, name, stage)
            except KeyError:
                continue
            except psycopg.OperationalError as error:
                if "password authentication failed" not in str(error):
                    self._tell(f"master cannot log in yet: {_short(error)}", None)
                    return None
                refusal = _short(error)
        self._tell(f"{NO_PASSWORD_OPENS}: {refusal}", None)
        return None

    def _set_password(self, connection: Connection, login: Mapping[str, Any]) -> None:
        from psycopg import sql

        words = sql.SQL("alter role {} with password {}")
        connection.execute(words.format(sql.Identifier(login["username"]), sql.Literal(login["password"])))

    def _connect(self, target: Target, secret: str, stage: str = "AWSCURRENT") -> Connection:
        login = self._secret(secret, stage)
        return self._endpoints.postgres(
            target.host, target.port, target.database, login["username"], login["password"]
        )

    def _ensure_role(self, connection: Connection, login: Mapping[str, Any]) -> None:
        from psycopg import sql

        role, database = sql.Identifier(login["username"]), sql.Identifier(connection.info.dbname)
        known = connection.execute(
            "select 1 from pg_roles where rolname = %s", (login["username"],)
        ).fetchone()
        verb = sql.SQL("alter" if known else "create")
        words = sql.SQL("{} role {} with login password {}")
        connection.execute(words.format(verb, role, sql.Literal(login["password"])))
        connection.execute(sql.SQL("grant connect, temporary on database {} to {}").format(database, role))
        connection.execute(sql.SQL("grant usage, create on schema public to {}").format(role))

    def _until[T](self, seconds: float, what: str, probe: Callable[[], T | None]) -> T:
        started = time.monotonic()
        while True:
            found = probe()
            if found is not None:
                return found
            waited = time.monotonic() - started
            if waited > seconds:
                raise TimeoutError(f"waited {waited:.0f}s until {what}")
            time.sleep(min(5.0, max(0.1, waited / 20)))


def _answered(error: psycopg.OperationalError) -> str | None:
    """The server's answer if it is up and merely refuses us; None while it is not there or starting up."""
    text = str(error)
    if error.sqlstate == _STARTING_UP or "starting up" in text or "not yet accepting" in text:
        return None
    if "password authentication failed" in text or "no pg_hba.conf entry" in text:
        return "answers, password of the recovery point"
    return None


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]


def _write(connection: Connection, run: str) -> Verdict:
    """A row that is committed and read back, in a schema of our own."""
    import psycopg

    try:
        connection.execute("create schema if not exists lifeboat")
        connection.execute(
            "create table if not exists lifeboat.heartbeat (run text primary key, at timestamptz not null)"
        )
        connection.execute(
            "insert into lifeboat.heartbeat values (%s, now()) on conflict (run) do update set at = now()",
            (run,),
        )
        row = connection.execute("select at from lifeboat.heartbeat where run = %s", (run,)).fetchone()
    except psycopg.Error as error:
        return Verdict(name="a write is committed", ok=False, detail=_short(error))
    return Verdict(
        name="a write is committed", ok=row is not None, detail=str(row[0]) if row else "not read back"
    )


def _sequences(connection: Connection) -> list[Verdict]:
    """Every sequence is at or beyond its column's greatest value: the next insert does not collide."""
    verdicts = []
    for table, column, sequence, readable in connection.execute(_SEQUENCES.encode()).fetchall():
        if not readable:
            why = "cannot be read by the application's role: grant select on it"
            verdicts.append(Verdict(name=f"sequence {sequence}", ok=False, detail=why))
            continue
        row = connection.execute(
            f"select (select coalesce(max({column}), 0) from {table}), last_value from {sequence}".encode()
        ).fetchone()
        top, last = (int(row[0]), int(row[1])) if row else (0, 0)
        verdicts.append(
            Verdict(
                name=f"sequence {sequence}", ok=last >= top or top == 0, detail=f"at {last}, greatest {top}"
            )
        )
    return verdicts


def _check(connection: Connection, check: SqlCheck) -> Verdict:
    import psycopg

    try:
        row = connection.execute(check.query.encode()).fetchone()
    except psycopg.Error as error:
        return Verdict(name=check.name, ok=False, detail=_short(error))
    found = str(row[0]) if row else "no row"
    ok = check.expect is None or found.lower() == check.expect.lower()
    return Verdict(name=check.name, ok=ok, detail=found if ok else f"found {found}, expected {check.expect}")
