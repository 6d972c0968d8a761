"""IAM."""

from __future__ import annotations

from typing import Any

from rehearsal.provider.kinds import Autoname, Call, Context, Do, Kind, Tags
from rehearsal.provider.tables.tags import pairs, unpaired
from rehearsal.provider.wire import Props


def _tags(what: str, member: str) -> Tags:
    return Tags(
        create=lambda tags: {"Tags": pairs(tags)},
        put=lambda ctx, tags: ctx.call(f"Tag{what}", {member: ctx.id, "Tags": pairs(tags)}),
        drop=lambda ctx, keys: ctx.call(f"Untag{what}", {member: ctx.id, "TagKeys": keys}),
        read=lambda _, live: unpaired(live.get("Tags")),
    )


def _document(answer: Props, key: str) -> Props:
    """botocore decodes policy documents into dictionaries; Pulumi's are JSON texts."""
    import json

    value = answer.get(key)
    return {**answer, key: json.dumps(value) if isinstance(value, dict) else value}


def _role(ctx: Context) -> Props:
    found = ctx.call("GetRole", {"RoleName": ctx.id})["Role"]
    return _document(found, "AssumeRolePolicyDocument") | {"UniqueId": found["RoleId"]}


def _leave_profiles(ctx: Context) -> None:
    found = ctx.call("ListInstanceProfilesForRole", {"RoleName": ctx.id})["InstanceProfiles"]
    for profile in found:
        request = {"InstanceProfileName": profile["InstanceProfileName"], "RoleName": ctx.id}
        ctx.call("RemoveRoleFromInstanceProfile", request)


def _update_role(ctx: Context) -> None:
    """UpdateRole takes both; what the program leaves out goes back to the default."""
    request = {
        "RoleName": ctx.id,
        "Description": ctx.inputs.get("description", ""),
        "MaxSessionDuration": int(ctx.inputs.get("maxSessionDuration", 3600)),
    }
    ctx.call("UpdateRole", request)


ROLE = Kind(
    "aws:iam/role:Role",
    "iam",
    create=Call(
        "CreateRole",
        props=(
            "name",
            "assumeRolePolicy",
            "description",
            "maxSessionDuration",
            "path",
            "permissionsBoundary",
        ),
    ),
    id="$name",
    follow=(
        Call(
            "UpdateAssumeRolePolicy",
            lambda ctx: {"RoleName": ctx.id, "PolicyDocument": ctx.inputs["assumeRolePolicy"]},
            on="update",
            when=("assumeRolePolicy",),
        ),
        Do(_update_role, props=("description", "maxSessionDuration"), on="update"),
    ),
    read=(Do(_role),),
    delete=(Do(_leave_profiles), Call("DeleteRole", {"RoleName": "$id"})),
    autoname=Autoname(length=64),
    renames={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
    replaces=frozenset({"name", "namePrefix", "path"}),
    local=frozenset({"forceDetachPolicies"}),
    defaults={"maxSessionDuration": 3600, "path": "/", "forceDetachPolicies": False, "description": ""},
    regional=False,
    gone=("NoSuchEntity",),
    tags=_tags("Role", "RoleName"),
)


def _inline(owner: str) -> Kind:
    """A policy inside a role or user: id `owner:name`."""
    lower = owner.lower()
    props = (lower, "name", "policy")

    def put(ctx: Context) -> Props:
        ctx.run(Call(f"Put{owner}Policy", props=props))
        return {"id": f"{ctx.inputs[lower]}:{ctx.inputs['name']}"}

    def names(ctx: Context) -> Props:
        who, name = ctx.id.split(":", 1)
        return {f"{owner}Name": who, "PolicyName": name}

    def read(ctx: Context) -> Props:
        return _document(ctx.call(f"Get{owner}Policy", names(ctx)), "PolicyDocument")

    return Kind(
        f"aws:iam/{lower}Policy:{owner}Policy",
        "iam",
        create=Do(put, props=props),
        id="id",
        follow=(Do(put, props=("policy",), on="update"),),
        read=(Do(read),),
        delete=(Call(f"Delete{owner}Policy", names),),
        autoname=Autoname(length=128),
        renames={"name": "PolicyName", lower: f"{owner}Name", "policy": "PolicyDocument"},
        replaces=frozenset({"name", "namePrefix", lower}),
        regional=False,
    )


def _profile(ctx: Context) -> Props:
    found = ctx.call("GetInstanceProfile", {"InstanceProfileName": ctx.id})["InstanceProfile"]
    roles = found.get("Roles") or [{}]
    return {
        **found,
        "Name": found["InstanceProfileName"],
        "Role": roles[0].get("RoleName"),
        "UniqueId": found["InstanceProfileId"],
    }


def _fill_profile(ctx: Context) -> None:
    request = {"InstanceProfileName": ctx.id}
    if ctx.old_inputs.get("role"):
        ctx.call("RemoveRoleFromInstanceProfile", {**request, "RoleName": ctx.old_inputs["role"]})
    if ctx.inputs.get("role"):
        ctx.call("AddRoleToInstanceProfile", {**request, "RoleName": ctx.inputs["role"]})


def _empty_profile(ctx: Context) -> None:
    for role in ctx.call("GetInstanceProfile", {"InstanceProfileName": ctx.id})["InstanceProfile"]["Roles"]:
        ctx.call(
            "RemoveRoleFromInstanceProfile", {"InstanceProfileName": ctx.id, "RoleName": role["RoleName"]}
        )


INSTANCE_PROFILE = Kind(
    "aws:iam/instanceProfile:InstanceProfile",
    "iam",
    create=Call("CreateInstanceProfile", props=("name", "path")),
    id="$name",
    follow=(Do(_fill_profile, props=("role",), when=("role",)),),
    read=(Do(_profile),),
    delete=(Do(_empty_profile), Call("DeleteInstanceProfile", {"InstanceProfileName": "$id"})),
    autoname=Autoname(),
    renames={"name": "InstanceProfileName"},
    replaces=frozenset({"name", "namePrefix", "path"}),
    defaults={"path": "/"},
    regional=False,
    tags=_tags("InstanceProfile", "InstanceProfileName"),
)

# --- managed policies ---


def _policy(ctx: Context) -> Props:
    found = ctx.call("GetPolicy", {"PolicyArn": ctx.id})["Policy"]
    asked = {"PolicyArn": ctx.id, "VersionId": found["DefaultVersionId"]}
    version = ctx.call("GetPolicyVersion", asked)["PolicyVersion"]
    return {**found, "PolicyDocument": _document(version, "Document")["Document"]}


def _new_policy_version(ctx: Context) -> None:
    versions = ctx.call("ListPolicyVersions", {"PolicyArn": ctx.id})["Versions"]
    spare = sorted((v["CreateDate"], v["VersionId"]) for v in versions if not v["IsDefaultVersion"])
    if len(versions) >= 5:
        ctx.call("DeletePolicyVersion", {"PolicyArn": ctx.id, "VersionId": spare[0][1]})
    request = {"PolicyArn": ctx.id, "PolicyDocument": ctx.inputs["policy"], "SetAsDefault": True}
    ctx.call("CreatePolicyVersion", request)


def _drop_policy_versions(ctx: Context) -> None:
    for version in ctx.call("ListPolicyVersions", {"PolicyArn": ctx.id})["Versions"]:
        if not version["IsDefaultVersion"]:
            ctx.call("DeletePolicyVersion", {"PolicyArn": ctx.id, "VersionId": version["VersionId"]})


POLICY = Kind(
    "aws:iam/policy:Policy",
    "iam",
    create=Call("CreatePolicy", props=("name", "path", "description", "policy")),
    id="Policy.Arn",
    follow=(Do(_new_policy_version, props=("policy",), on="update"),),
    read=(Do(_policy),),
    delete=(Do(_drop_policy_versions), Call("DeletePolicy", {"PolicyArn": "$id"})),
    autoname=Autoname(),
    renames={"name": "PolicyName", "policy": "PolicyDocument"},
    replaces=frozenset({"description", "name", "namePrefix", "path"}),
    defaults={"path": "/"},
    regional=False,
    tags=_tags("Policy", "PolicyArn"),
)


def _attach(ctx: Context) -> Any:
    request = {"RoleName": ctx.inputs["role"], "PolicyArn": ctx.inputs["policyArn"]}
    ctx.call("AttachRolePolicy", request)
    return {"id": f"{request['RoleName']}/{request['PolicyArn']}"}


def _attached(ctx: Context) -> Props | None:
    found = ctx.call("ListAttachedRolePolicies", {"RoleName": ctx.value("role")})["AttachedPolicies"]
    ours = [p for p in found if p["PolicyArn"] == ctx.value("policyArn")]
    return {"Role": ctx.value("role"), "PolicyArn": ctx.value("policyArn")} if ours else None


ATTACHMENT = Kind(
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "iam",
    create=Do(_attach, props=("role", "policyArn")),
    id="id",
    read=(Do(_attached),),
    delete=(Call("DetachRolePolicy", {"RoleName": "$role", "PolicyArn": "$policyArn"}),),
    replaces=frozenset({"role", "policyArn"}),
    regional=False,
    locate=lambda given: (given, dict(zip(("role", "policyArn"), given.split("/", 1), strict=True))),
)

USER = Kind(
    "aws:iam/user:User",
    "iam",
    create=Call("CreateUser", props=("name", "path", "permissionsBoundary")),
    id="$name",
    read=(Call("GetUser", {"UserName": "$id"}, result="User"),),
    delete=(Call("DeleteUser", {"UserName": "$id"}),),
    autoname=Autoname(),
    renames={"name": "UserName"},
    replaces=frozenset({"name"}),
    local=frozenset({"forceDestroy"}),
    defaults={"path": "/", "forceDestroy": False},
    regional=False,
    tags=_tags("User", "UserName"),
)

KINDS = (ROLE, _inline("Role"), _inline("User"), INSTANCE_PROFILE, POLICY, ATTACHMENT, USER)
