#!/bin/bash
# Starts an artefact on a machine: fetches it by version from the region's own bucket, checks it, runs its `start`.
#
# User data of web servers and runners alike. infra puts lines like these above this one:
#   export ARTEFACT_BUCKET=... ARTEFACT_NAME=web ARTEFACT_VERSION=v214
#   export ONE_SHOT=on        the machine powers itself off when `start` has ended, or could not be started
# Whatever else is exported there (SECRET_APP, JOBS, MAIL, LISTEN_PORT) is the artefact's, and reaches it.
# Added for the artefact: AWS_REGION, INSTANCE_ID, LISTEN_ADDRESS.
#
# Needs bash, curl >= 7.87, tar, sha256sum and setpriv; no package registry, no agent, nothing outside the region.
set -euo pipefail

say() { printf '%s boot: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

finish() {
  local code=$?
  if [ "$code" -ne 0 ]; then say "failed with code $code"; fi
  if [ "${ONE_SHOT:-off}" = on ]; then say "powering off"; shutdown -h now; fi
}
trap finish EXIT

: "${ARTEFACT_BUCKET:?is not set: user data does not say where artefacts are}"
: "${ARTEFACT_NAME:?is not set: user data does not say which artefact to start}"
: "${ARTEFACT_VERSION:?is not set: user data does not say which version to start}"

# --- who and where am I: the metadata service, version 2 ------------------------------------------------------
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
metadata=${metadata%/}/latest
# Whatever goes wrong is tried again: a role that is minutes old is refused (403, 404) until all of AWS knows of it.
patient=(--silent --show-error --fail --connect-timeout 5 --speed-limit 1 --speed-time 20
  --retry 8 --retry-delay 1 --retry-all-errors)
token=$(curl "${patient[@]}" -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' "$metadata/api/token")
about() { curl "${patient[@]}" -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"; }
AWS_REGION=$(about placement/region)
INSTANCE_ID=$(about instance-id)
LISTEN_ADDRESS=$(about local-ipv4)
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION INSTANCE_ID LISTEN_ADDRESS

# --- the artefact: signed with the role's credentials, which a process list never shows -----------------------
role=$(about iam/security-credentials/)
credentials=$(about "iam/security-credentials/$role")
member() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" <<<"$2"; }
signature() {
  printf 'user = "%s:%s"\n' "$(member AccessKeyId "$credentials")" "$(member SecretAccessKey "$credentials")"
  printf 'header = "X-Amz-Security-Token: %s"\n' "$(member Token "$credentials")"
  printf 'header = "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"\n'
}
endpoint=${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-}}
if [ -n "$endpoint" ]; then
  bucket_url=${endpoint%/}/$ARTEFACT_BUCKET
else
  bucket_url=https://$ARTEFACT_BUCKET.s3.$AWS_REGION.amazonaws.com
fi
fetch() {  # into a file, which curl empties before it tries again: what had come of a torn transfer is not kept
  curl "${patient[@]}" --aws-sigv4 "aws:amz:$AWS_REGION:s3" --config <(signature) \
    --output "$base/$1" "$bucket_url/$ARTEFACT_NAME/$ARTEFACT_VERSION/$1"
}

base=${HOME:-/tmp}/artefact
if [ "$(id -u)" -eq 0 ]; then base=/opt/artefact; fi
rm -rf "$base"
mkdir -p "$base/content"
say "$ARTEFACT_NAME $ARTEFACT_VERSION from $ARTEFACT_BUCKET, as $role"
fetch manifest.json
fetch artefact.tar.gz
expected=$(member sha256 "$(tr -d '\n' <"$base/manifest.json")")
if ! [[ $expected =~ ^[0-9a-f]{64}$ ]] || ! sha256sum --check --status <<<"$expected  $base/artefact.tar.gz"; then
  say "$ARTEFACT_NAME $ARTEFACT_VERSION is not what its manifest says (sha256 '$expected'): not started"
  exit 65
fi
tar -xzf "$base/artefact.tar.gz" -C "$base/content" --no-same-owner
rm "$base/artefact.tar.gz"

# --- start it, never as root ------------------------------------------------------------------------------------
run=()
if [ "$(id -u)" -eq 0 ]; then
  id app >/dev/null 2>&1 || useradd --system --home-dir "$base/content" --shell /usr/sbin/nologin app
  chown -R app: "$base/content"
  run=(setpriv --reuid app --regid app --init-groups --inh-caps=-all env "HOME=$base/content")
fi
cd "$base/content"
say "starting"
if [ "${ONE_SHOT:-off}" = on ]; then
  "${run[@]}" ./start
else
  # a server whose program ended is replaced by Auto Scaling: its health check fails
  exec "${run[@]}" ./start
fi
