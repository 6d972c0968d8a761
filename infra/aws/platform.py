"""A whole site, composed: which component gets what from which, and nothing else."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.aws.access import Access, AccessArgs
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.balancer import Balancer, BalancerArgs
from infra.aws.certificate import Certificate, CertificateArgs
from infra.aws.database import Database, DatabaseArgs
from infra.aws.keys import BackupKey, Keys, KeysArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.runner import Runner, RunnerArgs
from infra.aws.secrets import APP_USER, MASTER_USER, Secrets, SecretsArgs
from infra.aws.stores import ARTEFACTS, STATE, Stores, StoresArgs
from infra.aws.web_tier import Capacity, WebTier, WebTierArgs
from infra.component import Labels
from infra.outputs import EdgeContract, SiteContract
from infra.settings import SiteSettings


class Site:
    """The site that the settings ask for; `infra.aws.contract.fields` says what came of it."""

    def __init__(self, settings: SiteSettings, edge: EdgeContract, standby: SiteContract | None) -> None:
        self.settings = settings
        self.edge = edge
        self.standby = standby
        self.labels = Labels(settings.company, settings.owner, settings.stack)
        self.full = settings.footprint == "full"
        self.account: pulumi.Output[str] = aws.get_caller_identity_output().account_id
        self.origin_name = f"{settings.stack}.{edge.origin_zone.name}"
        self.network = Network(
            "network",
            NetworkArgs(
                region=settings.region,
                zones=settings.zones,
                cidr=settings.vpc_cidr,
                nat_gateways=settings.nat_gateways if self.full else "none",
            ),
            self.labels,
        )
        self.keys = Keys(
            "keys",
            KeysArgs(
                account=self.account,
                database_primary_arn=standby.keys.database if standby else None,
            ),
            self.labels,
        )
        self.stores = self._stores()
        self.secrets = Secrets(
            "secrets",
            SecretsArgs(
                settings.company,
                self.keys.data_arn,
                settings.database_name,
                replica_region=self.standby.region if self.standby else None,
                replica_key_arn=self.standby.keys.data if self.standby else None,
            ),
            self.labels,
        )
        self.database = self._database()
        self.balancer = self._balancer()
        self.web = self._web()
        self.runner = self._runner()
        self.alarms = self._alarms()
        self.access = Access(
            "access",
            AccessArgs(self.account, [self.web.role.arn, self.runner.role.arn], settings.break_glass),
            self.labels,
        )

    def _stores(self) -> Stores:
        standby = self.standby
        return Stores(
            "stores",
            StoresArgs(
                company_stores={store.name: store.criticality for store in self.settings.object_stores},
                key_arn=self.keys.data_arn,
                replicas={store.name: store.bucket for store in standby.stores} if standby else {},
                replica_key_arn=standby.keys.data if standby else None,
            ),
            self.labels,
        )

    def _database(self) -> Database:
        s = self.settings
        database = Database(
            "database",
            DatabaseArgs(
                present=s.database == "present",
                identifier=s.database_identifier,
                database_name=s.database_name,
                engine_version=s.database_version,
                instance_class=s.database_class,
                storage_gb=s.database_storage_gb,
                multi_az=s.multi_az,
                backup_retention_days=s.backup_retention_days,
                backup_window=s.backup_window,
                maintenance_window=s.maintenance_window,
                subnet_ids=self.network.data_subnet_ids,
                security_group_id=self.network.database_group_id,
                key_arn=self.keys.database_arn,
                master_user=MASTER_USER,
                app_user=APP_USER,
                master_password=self.secrets.master_password,
            ),
            self.labels,
        )
        if database.instance is None:
            return database
        if self.standby is not None:
            # A standby's secrets are written by the recovery that restores into it.
            self.secrets.endpoint(database.instance.address)
            database.replicate_backups(self.standby.region, self.standby.keys.database)
        elif s.backup_region is not None:
            key = BackupKey("backup-key", s.backup_region, self.account, self.keys.database_arn, self.labels)
            database.replicate_backups(s.backup_region, key.arn)
        return database

    def _balancer(self) -> Balancer:
        edge = self.edge
        zones = {edge.service_name: edge.zone.zone_id, self.origin_name: edge.origin_zone.zone_id}
        return Balancer(
            "balancer",
            BalancerArgs(
                account=self.account,
                region=self.settings.region,
                company=self.settings.company,
                vpc_id=self.network.vpc_id,
                subnet_ids=self.network.public_subnet_ids,
                security_group_id=self.network.balancer_group_id,
                certificate_arn=Certificate("certificate", CertificateArgs(zones), self.labels).arn,
                origin_name=self.origin_name,
                origin_zone_id=edge.origin_zone.zone_id,
                holding_page=self.settings.holding_page,
                verify_token=self.secrets.token,
            ),
            self.labels,
        )

    def _web(self) -> WebTier:
        s = self.settings
        return WebTier(
            "web",
            WebTierArgs(
                image_id=s.image_id,
                instance_type=s.instance_type,
                subnet_ids=self.network.app_subnet_ids,
                security_group_id=self.network.web_group_id,
                target_group_arn=self.balancer.targets.arn,
                key_arn=self.keys.data_arn,
                artefacts=self.stores.buckets[ARTEFACTS],
                artefact_version=s.artefact_version,
                secret_arn=self.secrets.app_arn,
                secret_name=self.secrets.app_name,
                company_stores=self.stores.company,
                jobs=s.jobs,
                capacity=Capacity(s.capacity_min, s.capacity_max) if self.full else Capacity(0, 0),
            ),
            self.labels,
        )

    def _runner(self) -> Runner:
        return Runner(
            "runner",
            RunnerArgs(
                image_id=self.settings.image_id,
                instance_type=self.settings.instance_type,
                security_group_id=self.network.runner_group_id,
                key_arn=self.keys.data_arn,
                artefacts=self.stores.buckets[ARTEFACTS],
                bundle_version=self.settings.bundle_version,
                jobs=self.stores.buckets[STATE],
                # The masters' of every stack: a restored database knows the password of the one it came from.
                secret_arns=[
                    pulumi.Output.concat(
                        f"arn:aws:secretsmanager:{self.settings.region}:",
                        self.account,
                        f":secret:{self.settings.company}/*/database-master-*",
                    ),
                    self.secrets.app_arn,
                ],
            ),
            self.labels,
        )

    def _alarms(self) -> Alarms:
        s = self.settings
        return Alarms(
            "alarms",
            AlarmsArgs(
                account=self.account,
                key_arn=self.keys.data_arn,
                emails=s.alarm_emails,
                database_identifier=s.database_identifier if s.database == "present" else None,
                database_storage_gb=s.database_storage_gb,
                backups_watched=self.standby is not None,
                balancer_suffix=self.balancer.balancer.arn_suffix,
                targets_suffix=self.balancer.targets.arn_suffix,
                least_servers=s.capacity_min if self.full else 0,
                replicated=[bucket for bucket in self.stores.buckets.values() if bucket.replicated_to],
            ),
            self.labels,
        )
