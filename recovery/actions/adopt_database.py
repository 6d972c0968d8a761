"""Make the restored database a resource of its stack, and prove that nothing would be replaced."""

from __future__ import annotations

from recovery.actions._stack import STACK_PERMISSIONS, stack_of
from recovery.actions.base import Action, Change, Context, Fact, Need, Preview
from recovery.actions.facts import DatabaseAdopted, DatabaseRestored
from recovery.errors import Refusal
from recovery.stacks import Changes


class AdoptDatabase(Action):
    """`pulumi import`, then `database: present` in the configuration, then a preview."""

    name = "adopt-database"
    summary = "import the restored database into the stack; a preview proves that nothing is replaced"
    takes = (DatabaseRestored,)
    gives = DatabaseAdopted
    permissions = STACK_PERMISSIONS
    irreversible = "the stack knows the database from now on; `pulumi state delete` makes it forget"

    def needs(self, ctx: Context) -> tuple[Need, ...]:
        """RDS and the stack's other control planes, to read."""
        return (Need("rds", ctx.target.region), Need("ec2", ctx.target.region))

    def preview(self, ctx: Context) -> Preview:
        """What it would adopt."""
        database = ctx.target.database
        change = Change("~", f"{ctx.target.stack}: {database.logical_name} adopted, database: present")
        return Preview(changes=(change,), expected_seconds=60)

    def perform(self, ctx: Context) -> DatabaseAdopted:
        """Import, configure, preview."""
        restored, database = ctx.fact(DatabaseRestored), ctx.target.database
        stack = stack_of(ctx, ctx.target.stack)
        ctx.progress(f"importing {restored.identifier}", None)
        urn = stack.adopt(
            database.resource_type,
            database.logical_name,
            restored.identifier,
            restored.resource_id,
            database.parent_urn,
            ctx.cancelled,
        )
        kind = {"databaseClass": restored.instance_class} if restored.instance_class else {}
        patch = stack.configure(
            database="present",
            databaseIdentifier=restored.identifier,
            multiAz="true",
            holdingPage="off",
            **kind,
        )
        ctx.progress("previewing", None)
        changes = stack.preview(ctx.progress, ctx.cancelled)
        harm = harmful(changes, urn)
        if harm:
            raise Refusal(
                f"`up` on {stack.name} would not keep the restored database: {', '.join(harm)}",
                means="the stack and the instance differ in a setting that cannot be changed in place",
                cure="compare `pulumi preview --diff` with aws rds describe-db-instances, and correct it",
            )
        ctx.progress(f"adopted; next up: {changes}", 1)
        return DatabaseAdopted(stack=stack.name, identifier=restored.identifier, urn=urn, patch=str(patch))

    def verify(self, ctx: Context, fact: Fact | None) -> None:
        """The stack's state has it."""
        assert isinstance(fact, DatabaseAdopted)
        if fact.urn not in stack_of(ctx, fact.stack).ids():
            raise Refusal(
                f"{fact.urn} is not in the state of {fact.stack} after the import",
                means="an `up` would create a second, empty database",
                cure=self.by_hand(ctx),
            )

    def by_hand(self, ctx: Context) -> str:
        """Commands."""
        name, database = ctx.target.stack, ctx.target.database
        return "\n".join(
            (
                f"pulumi import --stack {name} --generate-code=false \\",
                f"  --parent 'parent={database.parent_urn}' \\",
                f"  {database.resource_type} {database.logical_name} RESTORED_IDENTIFIER",
                f"pulumi config set --stack {name} lifeboat:database present",
                f"pulumi config set --stack {name} lifeboat:databaseIdentifier RESTORED_IDENTIFIER",
                f"pulumi preview --stack {name} --diff      # must replace and delete nothing",
            )
        )


def harmful(changes: Changes, urn: str) -> list[str]:
    """Steps that would delete, replace or create the database anew."""
    return [step for step in changes.steps if step.endswith(urn) and not step.startswith("update ")]
