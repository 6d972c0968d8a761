"""KMS and Secrets Manager."""

from __future__ import annotations

import uuid
from typing import Any

from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind
from rehearsal.provider.tables.tags import by_arn
from rehearsal.provider.wire import Props

GOING = ("PendingDeletion", "PendingReplicaDeletion")
KMS_TAGS = by_arn(
    "TagResource",
    "UntagResource",
    "KeyId",
    listing="ListResourceTags",
    key="TagKey",
    val="TagValue",
    value=lambda ctx: ctx.id,
)


def _describe(ctx: Context) -> Props | None:
    found: Props = ctx.call("DescribeKey", {"KeyId": ctx.id})["KeyMetadata"]
    if found["KeyState"] in GOING:
        return None
    return {
        "KeyId": found["KeyId"],
        "Arn": found["Arn"],
        "Description": found.get("Description", ""),
        "IsEnabled": found["Enabled"],
        "Enabled": found["Enabled"],
        "MultiRegion": found.get("MultiRegion", False),
        "KeyUsage": found.get("KeyUsage"),
        "CustomerMasterKeySpec": found.get("CustomerMasterKeySpec"),
        "KeySpec": found.get("KeySpec"),
        "PrimaryKeyArn": found.get("MultiRegionConfiguration", {}).get("PrimaryKey", {}).get("Arn"),
    }


def _rotation(ctx: Context) -> Props:
    enabled = ctx.call("GetKeyRotationStatus", {"KeyId": ctx.id})["KeyRotationEnabled"]
    return {"EnableKeyRotation": enabled, "KeyRotationEnabled": enabled}


def _rotate(ctx: Context) -> None:
    wanted = ctx.inputs.get("enableKeyRotation", False)
    if wanted or ctx.old_inputs:
        ctx.call("EnableKeyRotation" if wanted else "DisableKeyRotation", {"KeyId": ctx.id})


def _enable(prop: str) -> Any:
    def work(ctx: Context) -> None:
        wanted = ctx.inputs.get(prop, True)
        if not wanted or ctx.old_inputs:
            ctx.call("EnableKey" if wanted else "DisableKey", {"KeyId": ctx.id})

    return work


READ_POLICY = Call("GetKeyPolicy", {"KeyId": "$id", "PolicyName": "default"}, result="{Policy: Policy}")
CHANGES = (
    Call(
        "UpdateKeyDescription",
        lambda ctx: {"KeyId": ctx.id, "Description": ctx.inputs.get("description", "")},
        when=("description",),
        on="update",
    ),
    Call("PutKeyPolicy", {"KeyId": "$id", "PolicyName": "default"}, props=("policy",), on="update"),
)
FORGET = (Call("ScheduleKeyDeletion", {"KeyId": "$id", "PendingWindowInDays": "$deletionWindowInDays"}),)

KEY = Kind(
    "aws:kms/key:Key",
    "kms",
    create=Call(
        "CreateKey", props=("description", "multiRegion", "policy", "keyUsage", "customerMasterKeySpec")
    ),
    id="KeyMetadata.KeyId",
    follow=(
        *CHANGES,
        Do(_rotate, props=("enableKeyRotation",), when=("enableKeyRotation",)),
        Do(_enable("isEnabled"), props=("isEnabled",), when=("isEnabled",)),
    ),
    read=(Do(_describe), Do(_rotation), READ_POLICY),
    delete=FORGET,
    replaces=frozenset({"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"}),
    computed=frozenset({"description", "policy", "multiRegion"}),
    local=frozenset({"deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"}),
    defaults={
        "isEnabled": True,
        "enableKeyRotation": False,
        "keyUsage": "ENCRYPT_DECRYPT",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
    },
    tags=KMS_TAGS,
)


def _replicate(ctx: Context) -> Any:
    """ReplicateKey is called where the primary key is, and names where the replica is to be."""
    arn = str(ctx.inputs["primaryKeyArn"])
    request = {"KeyId": arn, "ReplicaRegion": ctx.region}
    if ctx.tags and KMS_TAGS.create:
        request |= KMS_TAGS.create(ctx.tags)
    call = Call("ReplicateKey", request, props=("description", "policy"), region=arn.split(":")[3])
    return ctx.run(call)


REPLICA_KEY = Kind(
    "aws:kms/replicaKey:ReplicaKey",
    "kms",
    create=Do(_replicate, props=("primaryKeyArn", "description", "policy")),
    id="ReplicaKeyMetadata.KeyId",
    follow=(*CHANGES, Do(_enable("enabled"), props=("enabled",), when=("enabled",))),
    read=(Do(_describe), READ_POLICY),
    delete=FORGET,
    settle=lambda ctx: ctx.poll(
        lambda: ctx.call("DescribeKey", {"KeyId": ctx.id})["KeyMetadata"]["KeyState"] != "Creating",
        f"key {ctx.id}",
    ),
    replaces=frozenset({"primaryKeyArn"}),
    computed=frozenset({"policy"}),
    local=frozenset({"deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"}),
    defaults={"enabled": True, "deletionWindowInDays": 30},
    tags=KMS_TAGS,
)


def _alias(ctx: Context) -> Props | None:
    request: Props = {}
    while True:
        page = ctx.call("ListAliases", request)
        for alias in page["Aliases"]:
            if alias["AliasName"] == ctx.id:
                return _alias_live(ctx, alias)
        if not page.get("Truncated"):
            return None
        request = {"Marker": page["NextMarker"]}


def _alias_live(ctx: Context, alias: Props) -> Props:
    target = str(ctx.inputs.get("targetKeyId") or "")
    same_key = target.endswith(alias.get("TargetKeyId", "?"))
    arn = alias["AliasArn"].split(":alias/")[0] + f":key/{alias.get('TargetKeyId')}"
    found = target if same_key else alias.get("TargetKeyId")
    return {"AliasName": ctx.id, "Arn": alias["AliasArn"], "TargetKeyId": found, "TargetKeyArn": arn}


ALIAS = Kind(
    "aws:kms/alias:Alias",
    "kms",
    create=Call("CreateAlias", props=("name", "targetKeyId")),
    id="$name",
    follow=(Call("UpdateAlias", {"AliasName": "$id"}, props=("targetKeyId",), on="update"),),
    read=(Do(_alias),),
    delete=(Call("DeleteAlias", {"AliasName": "$id"}),),
    autoname=Autoname(length=256, prefix="alias/"),
    renames={"name": "AliasName"},
    replaces=frozenset({"name", "namePrefix"}),
    opaque=frozenset({"name"}),
)

# --- Secrets Manager ---


def _secret(ctx: Context) -> Props | None:
    found = ctx.call("DescribeSecret", {"SecretId": ctx.id})
    return None if found.get("DeletedDate") else {k: v for k, v in found.items() if k != "ReplicationStatus"}


def _forget_secret(ctx: Context) -> None:
    days = ctx.value("recoveryWindowInDays")
    how = (
        {"ForceDeleteWithoutRecovery": True}
        if days == 0
        else {"RecoveryWindowInDays": int(30 if days is None else days)}
    )
    found = ctx.call("DescribeSecret", {"SecretId": ctx.id}).get("ReplicationStatus") or []
    if found:
        request = {"SecretId": ctx.id, "RemoveReplicaRegions": [replica["Region"] for replica in found]}
        ctx.call("RemoveRegionsFromReplication", request)
    ctx.call("DeleteSecret", {"SecretId": ctx.id, **how})


def _replicas(ctx: Context) -> None:
    old, new = ({r["region"]: r for r in v.get("replicas") or []} for v in (ctx.old_inputs, ctx.inputs))
    gone = sorted(set(old) - set(new))
    if gone:
        ctx.call("RemoveRegionsFromReplication", {"SecretId": ctx.id, "RemoveReplicaRegions": gone})
    made = [
        {"Region": region, **({"KmsKeyId": r["kmsKeyId"]} if r.get("kmsKeyId") else {})}
        for region, r in new.items()
        if region not in old
    ]
    if made:
        force = bool(ctx.inputs.get("forceOverwriteReplicaSecret"))
        request = {"SecretId": ctx.id, "AddReplicaRegions": made, "ForceOverwriteReplicaSecret": force}
        ctx.call("ReplicateSecretToRegions", request)


def _update_secret(ctx: Context) -> None:
    request = {"SecretId": ctx.id, "Description": ctx.inputs.get("description", "")}
    ctx.call(
        "UpdateSecret",
        {**request, **({"KmsKeyId": ctx.inputs["kmsKeyId"]} if "kmsKeyId" in ctx.inputs else {})},
    )


SECRET = Kind(
    "aws:secretsmanager/secret:Secret",
    "secretsmanager",
    create=Call("CreateSecret", props=("name", "description", "kmsKeyId")),
    id="ARN",
    follow=(
        Do(_update_secret, props=("description", "kmsKeyId"), on="update"),
        Do(_replicas, props=("replicas",), when=("replicas",)),
    ),
    read=(Do(_secret),),
    delete=(Do(_forget_secret),),
    autoname=Autoname(),
    replaces=frozenset({"name", "namePrefix"}),
    computed=frozenset({"replicas", "policy"}),
    local=frozenset({"recoveryWindowInDays", "forceOverwriteReplicaSecret", "namePrefix"}),
    defaults={"recoveryWindowInDays": 30, "forceOverwriteReplicaSecret": False},
    tags=by_arn("TagResource", "UntagResource", "SecretId", found="Tags", value=lambda ctx: ctx.id),
)


def _put_value(ctx: Context) -> Props:
    extra = {"ClientRequestToken": str(uuid.uuid4())}
    answer = ctx.run(Call("PutSecretValue", props=("secretId", "secretString", "versionStages")), extra)
    return {"id": f"{ctx.inputs['secretId']}|{answer['VersionId']}"}


def _stages(ctx: Context) -> None:
    version = ctx.id.rsplit("|", 1)[1]
    old, new = (set(v.get("versionStages") or []) for v in (ctx.old_inputs, ctx.inputs))
    for stage in sorted(new - old):
        request = {"SecretId": ctx.inputs["secretId"], "VersionStage": stage, "MoveToVersionId": version}
        ctx.call("UpdateSecretVersionStage", request)
    for stage in sorted(old - new - {"AWSCURRENT"}):
        request = {"SecretId": ctx.inputs["secretId"], "VersionStage": stage, "RemoveFromVersionId": version}
        ctx.call("UpdateSecretVersionStage", request)


def _version(ctx: Context) -> Props:
    secret, version = ctx.id.rsplit("|", 1)
    found = ctx.call("GetSecretValue", {"SecretId": secret, "VersionId": version})
    return {
        "SecretId": secret,
        "Arn": found["ARN"],
        "VersionId": version,
        "SecretString": found.get("SecretString"),
        "VersionStages": found.get("VersionStages"),
    }


SECRET_VERSION = Kind(
    "aws:secretsmanager/secretVersion:SecretVersion",
    "secretsmanager",
    create=Do(_put_value, props=("secretId", "secretString", "versionStages")),
    id="id",
    follow=(Do(_stages, props=("versionStages",), on="update"),),
    read=(Do(_version),),
    replaces=frozenset({"secretId", "secretString", "secretBinary", "secretStringWoVersion"}),
    computed=frozenset({"versionStages"}),
    opaque=frozenset({"versionStages"}),
)

KINDS = (KEY, REPLICA_KEY, ALIAS, SECRET, SECRET_VERSION)
