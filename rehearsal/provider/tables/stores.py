"""S3. A bucket's settings are types of their own, each a Put, a Get and a Delete."""

from __future__ import annotations

from typing import Any

from rehearsal.provider import shapes
from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind, Tags
from rehearsal.provider.tables.tags import pairs, unpaired
from rehearsal.provider.wire import Props


def _create_bucket(ctx: Context) -> None:
    request: Props = {"Bucket": ctx.inputs["bucket"]}
    if ctx.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": ctx.region}
    if ctx.inputs.get("objectLockEnabled"):
        request["ObjectLockEnabledForBucket"] = True
    ctx.call("CreateBucket", request)


def _empty(ctx: Context) -> None:
    """forceDestroy: every version and delete marker goes first."""
    if not ctx.value("forceDestroy"):
        return
    while True:
        found = ctx.call("ListObjectVersions", {"Bucket": ctx.id, "MaxKeys": 500})
        objects = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        if not objects:
            return
        keys = [{"Key": o["Key"], "VersionId": o["VersionId"]} for o in objects]
        ctx.call("DeleteObjects", {"Bucket": ctx.id, "Delete": {"Objects": keys, "Quiet": True}})


def _bucket_outputs(ctx: Context, _: Props) -> Props:
    return {
        "arn": f"arn:aws:s3:::{ctx.id}",
        "bucketDomainName": f"{ctx.id}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{ctx.id}.s3.{ctx.region}.amazonaws.com",
        "bucketRegion": ctx.region,
        "hostedZoneId": "Z3AQBSTGFYJSTF" if ctx.region == "us-east-1" else "Z21DNDUVLTQW6Q",
    }


def _read_tags(ctx: Context, _: Props) -> dict[str, str] | None:
    from botocore.exceptions import ClientError

    try:
        return unpaired(ctx.call("GetBucketTagging", {"Bucket": ctx.id})["TagSet"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchTagSet":
            return {}
        raise


def _drop_tags(ctx: Context, _: list[str]) -> None:
    if not ctx.tags:
        ctx.call("DeleteBucketTagging", {"Bucket": ctx.id})


BUCKET = Kind(
    "aws:s3/bucket:Bucket",
    "s3",
    create=Do(_create_bucket, props=("bucket", "objectLockEnabled")),
    id="$bucket",
    read=(Call("HeadBucket", {"Bucket": "$id"}),),
    delete=(Call("DeleteBucket", {"Bucket": "$id"}),),
    before_delete=_empty,
    autoname=Autoname("bucket", length=63, lower=True),
    replaces=frozenset({"bucket", "bucketPrefix", "objectLockEnabled"}),
    computed=frozenset({"objectLockEnabled"}),
    local=frozenset({"forceDestroy"}),
    opaque=frozenset({"bucket"}),
    defaults={"forceDestroy": False},
    gone=("404",),
    tags=Tags(
        put=lambda ctx, tags: ctx.call(
            "PutBucketTagging", {"Bucket": ctx.id, "Tagging": {"TagSet": pairs(tags)}}
        ),
        drop=_drop_tags,
        read=_read_tags,
    ),
    outputs=_bucket_outputs,
    imported=lambda ctx, _: {"bucket": ctx.id},
)


def _wrapped(op: str, member: str, *names: tuple[str, str]) -> Any:
    """A Put whose configuration is one structure: its members from inputs."""

    def work(ctx: Context) -> None:
        shape = ctx.clients.operation("s3", op).input_shape.members[member]
        body = {
            name: shapes.to_api(shape.members[name], ctx.inputs[prop], ctx.kind.renames, prop)
            for prop, name in names
            if ctx.inputs.get(prop) is not None
        }
        request = {"Bucket": ctx.inputs["bucket"], member: body}
        ctx.retry(lambda: ctx.call(op, request), ("NoSuchBucket", "OperationAborted", "InvalidRequest"), 5)

    return work


def setting(  # noqa: PLR0913 - put, get and delete of one setting
    type_name: str,
    put: str,
    member: str,
    names: tuple[tuple[str, str], ...],
    *,
    get: str,
    result: str,
    delete: Call | None,
    gone: tuple[str, ...] = (),
    replaces: tuple[str, ...] = (),
    settle: Any = None,
) -> Kind:
    """The table entry of one of a bucket's settings."""
    props = tuple(prop for prop, _ in names)
    write = _wrapped(put, member, *names)
    return Kind(
        f"aws:s3/{type_name}:{type_name[0].upper()}{type_name[1:]}",
        "s3",
        create=Do(write, props=("bucket", *props)),
        id="$bucket",
        follow=(Do(write, props=props, on="update"),),
        read=(Call(get, {"Bucket": "$id"}, result=result),),
        delete=(delete,) if delete else (),
        replaces=frozenset({"bucket", "expectedBucketOwner", *replaces}),
        opaque=frozenset({"bucket"}),
        gone=gone,
        settle=settle,
        imported=lambda ctx, _: {"bucket": ctx.id},
    )


def _put_versioning(ctx: Context) -> None:
    status = ctx.inputs["versioningConfiguration"]["status"]
    if status != "Disabled":
        ctx.call(
            "PutBucketVersioning",
            {"Bucket": ctx.inputs["bucket"], "VersioningConfiguration": {"Status": status}},
        )


VERSIONING = Kind(
    "aws:s3/bucketVersioning:BucketVersioning",
    "s3",
    create=Do(_put_versioning, props=("bucket", "versioningConfiguration")),
    id="$bucket",
    follow=(Do(_put_versioning, props=("versioningConfiguration",), on="update"),),
    read=(
        Call(
            "GetBucketVersioning",
            {"Bucket": "$id"},
            result="{VersioningConfiguration: {Status: Status || 'Disabled', MfaDelete: MFADelete}}",
        ),
    ),
    delete=(
        Call("PutBucketVersioning", {"Bucket": "$id", "VersioningConfiguration": {"Status": "Suspended"}}),
    ),
    replaces=frozenset({"bucket", "expectedBucketOwner"}),
    opaque=frozenset({"bucket"}),
    imported=lambda ctx, _: {"bucket": ctx.id},
)
ENCRYPTION = setting(
    "bucketServerSideEncryptionConfiguration",
    "PutBucketEncryption",
    "ServerSideEncryptionConfiguration",
    (("rules", "Rules"),),
    get="GetBucketEncryption",
    result="ServerSideEncryptionConfiguration",
    delete=Call("DeleteBucketEncryption", {"Bucket": "$id"}),
)
LIFECYCLE = setting(
    "bucketLifecycleConfiguration",
    "PutBucketLifecycleConfiguration",
    "LifecycleConfiguration",
    (("rules", "Rules"),),
    get="GetBucketLifecycleConfiguration",
    result="{Rules: Rules}",
    delete=Call("DeleteBucketLifecycle", {"Bucket": "$id"}),
)
OWNERSHIP = setting(
    "bucketOwnershipControls",
    "PutBucketOwnershipControls",
    "OwnershipControls",
    (("rule", "Rules"),),
    get="GetBucketOwnershipControls",
    result="OwnershipControls.{Rule: Rules[0]}",
    delete=Call("DeleteBucketOwnershipControls", {"Bucket": "$id"}),
    gone=("OwnershipControlsNotFoundError",),
)
REPLICATION = setting(
    "bucketReplicationConfig",
    "PutBucketReplication",
    "ReplicationConfiguration",
    (("role", "Role"), ("rules", "Rules")),
    get="GetBucketReplication",
    result="ReplicationConfiguration",
    delete=Call("DeleteBucketReplication", {"Bucket": "$id"}),
    gone=("ReplicationConfigurationNotFoundError",),
)
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PUBLIC_ACCESS = setting(
    "bucketPublicAccessBlock",
    "PutPublicAccessBlock",
    "PublicAccessBlockConfiguration",
    tuple((p, p[0].upper() + p[1:]) for p in BLOCKS),
    get="GetPublicAccessBlock",
    result="PublicAccessBlockConfiguration",
    delete=Call("DeletePublicAccessBlock", {"Bucket": "$id"}),
)

POLICY = Kind(
    "aws:s3/bucketPolicy:BucketPolicy",
    "s3",
    create=Call("PutBucketPolicy", props=("bucket", "policy")),
    id="$bucket",
    follow=(Call("PutBucketPolicy", {"Bucket": "$id"}, props=("policy",), on="update"),),
    read=(Call("GetBucketPolicy", {"Bucket": "$id"}, result="{Policy: Policy}"),),
    delete=(Call("DeleteBucketPolicy", {"Bucket": "$id"}),),
    replaces=frozenset({"bucket"}),
    opaque=frozenset({"bucket"}),
    imported=lambda ctx, _: {"bucket": ctx.id},
)

KINDS = (BUCKET, VERSIONING, ENCRYPTION, LIFECYCLE, OWNERSHIP, REPLICATION, PUBLIC_ACCESS, POLICY)
