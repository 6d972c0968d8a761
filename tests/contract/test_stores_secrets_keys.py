"""KMS and Secrets Manager across regions."""

from __future__ import annotations

import re

import pytest
from nameworld import NameWorld, lost, refused

from tests.fakes.waiting import until

HERE, THERE = "eu-central-1", "eu-west-1"


@pytest.fixture
def world(names_world: NameWorld) -> NameWorld:
    return names_world


def multi_region_key(world: NameWorld) -> str:
    """A key with its primary there and a replica here, as infra makes it; its id."""
    made = world.client("kms", THERE).create_key(MultiRegion=True, Description="primary")["KeyMetadata"]
    key = str(made["KeyId"])
    assert re.fullmatch(r"mrk-[0-9a-f]{32}", key)
    replica = world.client("kms", THERE).replicate_key(
        KeyId=key,
        ReplicaRegion=HERE,
        Description="replica",
        Policy='{"Version":"2012-10-17","Statement":[]}',
        Tags=[{"TagKey": "stack", "TagValue": "prod"}],
    )["ReplicaKeyMetadata"]
    assert replica["KeyState"] == "Creating"
    here = world.client("kms", HERE)
    until("enabled", lambda: here.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled")
    return key


def test_what_one_region_encrypts_the_other_decrypts(world: NameWorld) -> None:
    key = multi_region_key(world)
    for a, b in ((HERE, THERE), (THERE, HERE)):
        sealed = world.client("kms", a).encrypt(KeyId=key, Plaintext=b"word")["CiphertextBlob"]
        opened = world.client("kms", b).decrypt(CiphertextBlob=sealed)
        assert opened["Plaintext"] == b"word"
        assert opened["KeyId"].split(":")[3] == b


def test_a_replica_has_policy_tags_aliases_and_description_of_its_own(world: NameWorld) -> None:
    key = multi_region_key(world)
    here, there = world.client("kms", HERE), world.client("kms", THERE)
    there.create_alias(AliasName="alias/only-there", TargetKeyId=key)
    assert here.list_aliases(KeyId=key)["Aliases"] == []
    assert here.get_key_policy(KeyId=key, PolicyName="default") != there.get_key_policy(
        KeyId=key, PolicyName="default"
    )
    assert here.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "stack", "TagValue": "prod"}]
    kinds = {
        region: world.client("kms", region).describe_key(KeyId=key)["KeyMetadata"] for region in (HERE, THERE)
    }
    assert kinds[HERE]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert kinds[THERE]["MultiRegionConfiguration"]["MultiRegionKeyType"] == "PRIMARY"
    assert [kinds[r]["Description"] for r in (HERE, THERE)] == ["replica", "primary"]


def test_a_replica_is_made_once_from_a_multi_region_primary(world: NameWorld) -> None:
    key = multi_region_key(world)
    with refused("AlreadyExistsException"):
        world.client("kms", THERE).replicate_key(KeyId=key, ReplicaRegion=HERE)
    with refused("UnsupportedOperationException"):
        world.client("kms", HERE).replicate_key(KeyId=key, ReplicaRegion="us-east-1")


def test_a_key_that_is_disabled_or_being_deleted_does_nothing_any_more(world: NameWorld) -> None:
    kms = world.client("kms", THERE)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"word")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"word")
    with refused("DisabledException"):
        kms.decrypt(CiphertextBlob=sealed)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with refused("KMSInvalidStateException"):
        kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"word"


def test_a_policy_that_is_none_and_an_alias_of_awss_own_are_refused(world: NameWorld) -> None:
    kms = world.client("kms", THERE)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy="{")
    with refused("NotAuthorizedException"):
        kms.create_alias(AliasName="alias/aws/mine", TargetKeyId=key)


def test_a_primary_with_replicas_waits_for_them_before_it_is_deleted(world: NameWorld) -> None:
    key = multi_region_key(world)
    kms = world.client("kms", THERE)
    with refused("ValidationException"):
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=3)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingReplicaDeletion"


# --- secrets ---------------------------------------------------------------------------------------------


def value(world: NameWorld, region: str, name: str) -> str:
    return str(world.client("secretsmanager", region).get_secret_value(SecretId=name)["SecretString"])


def replicated(world: NameWorld) -> str:
    name, here = world.fresh("shop/secret"), world.client("secretsmanager", HERE)
    here.create_secret(Name=name, SecretString="one", AddReplicaRegions=[{"Region": THERE}])
    until(
        "in sync",
        lambda: here.describe_secret(SecretId=name)["ReplicationStatus"][0]["Status"] == "InSync",
    )
    return name


def test_a_replica_gets_changes_once_its_region_takes_them_and_takes_none_of_its_own(
    world: NameWorld,
) -> None:
    name = replicated(world)
    with lost(world, THERE):
        world.client("secretsmanager", HERE).put_secret_value(SecretId=name, SecretString="two")
        assert value(world, HERE, name) == "two"
    until("replicated", lambda: value(world, THERE, name) == "two")
    with refused("InvalidParameterException", saying="replica"):
        world.client("secretsmanager", THERE).put_secret_value(SecretId=name, SecretString="three")


def test_a_replica_can_be_read_and_promoted_while_its_primary_region_is_lost(world: NameWorld) -> None:
    name, there = replicated(world), world.client("secretsmanager", THERE)
    with lost(world, THERE):  # so that the change is still on its way when its own region goes
        world.client("secretsmanager", HERE).put_secret_value(SecretId=name, SecretString="never arrives")
        world.steering.lose(HERE)
    try:
        world.settle()
        assert value(world, THERE, name) == "one"
        there.stop_replication_to_replica(SecretId=name)
        there.put_secret_value(SecretId=name, SecretString="mine")
        assert value(world, THERE, name) == "mine"
    finally:
        world.steering.give_back(HERE)
    assert value(world, HERE, name) == "never arrives"
    assert value(world, THERE, name) == "mine"


def test_a_secret_of_one_region_is_not_known_in_the_other(world: NameWorld) -> None:
    name = world.fresh("shop/own")
    world.client("secretsmanager", HERE).create_secret(Name=name, SecretString="x")
    with refused("ResourceNotFoundException"):
        value(world, THERE, name)


def test_a_secret_whose_key_is_gone_cannot_be_read(world: NameWorld) -> None:
    key = world.client("kms", THERE).create_key()["KeyMetadata"]["Arn"]
    name, secrets = world.fresh("shop/sealed"), world.client("secretsmanager", THERE)
    secrets.create_secret(Name=name, SecretString="x", KmsKeyId=key)
    assert value(world, THERE, name) == "x"
    world.client("kms", THERE).disable_key(KeyId=key)
    with refused("DecryptionFailure"):
        value(world, THERE, name)


def test_a_replica_has_a_key_of_its_own_and_needs_it(world: NameWorld) -> None:
    kms, here = world.client("kms", THERE), world.client("secretsmanager", HERE)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    name = world.fresh("shop/keyed")
    regions = [{"Region": THERE, "KmsKeyId": key}]

    def replica() -> dict[str, str]:
        return dict(here.describe_secret(SecretId=name)["ReplicationStatus"][0])

    here.create_secret(Name=name, SecretString="x", AddReplicaRegions=regions)
    until("in sync", lambda: replica()["Status"] == "InSync")
    assert replica()["KmsKeyId"] == key
    assert world.client("secretsmanager", THERE).describe_secret(SecretId=name)["KmsKeyId"] == key
    kms.disable_key(KeyId=key)
    with refused("DecryptionFailure"):
        value(world, THERE, name)
    here.put_secret_value(SecretId=name, SecretString="y")
    until("failed", lambda: replica()["Status"] == "Failed")
    assert "KMS key" in replica()["StatusMessage"]
    kms.enable_key(KeyId=key)
    assert value(world, THERE, name) == "x"


def test_a_secret_that_waits_for_deletion_takes_no_value(world: NameWorld) -> None:
    name, secrets = world.fresh("shop/going"), world.client("secretsmanager", THERE)
    secrets.create_secret(Name=name, SecretString="x")
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    with refused("InvalidRequestException", saying="marked for deletion"):
        secrets.put_secret_value(SecretId=name, SecretString="y")


def test_a_name_that_waits_for_deletion_is_taken(world: NameWorld) -> None:
    name, secrets = world.fresh("shop/deleted"), world.client("secretsmanager", THERE)
    secrets.create_secret(Name=name, SecretString="x")
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    with refused("InvalidRequestException", saying="scheduled for deletion"):
        secrets.create_secret(Name=name, SecretString="y")


def test_random_passwords_are_as_long_as_asked_and_differ(world: NameWorld) -> None:
    secrets = world.client("secretsmanager", THERE)
    made = {
        secrets.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"]
        for _ in range(3)
    }
    assert len(made) == 3
    assert all(len(word) == 40 and word.isalnum() for word in made)
