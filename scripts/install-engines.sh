#!/usr/bin/env bash
# Installs the engines that the tests need, from package registries only. Memory, files, SQLite and PGlite need none: Node
# brings its own SQLite, and better-sqlite3, libsql and PGlite come with npm ci.
set -euo pipefail
cd "$(dirname "$0")/.."

# The servers of Debian's own packages. The tests start private ones on free ports; those that a package starts are stopped.
missing=()
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
if [ "${#missing[@]}" -gt 0 ]; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  for service in postgresql redis-server; do
    "${sudo[@]}" service "$service" stop >/dev/null 2>&1 || echo "$service was not running"
  done
fi
redis-server --version
ls -d /usr/lib/postgresql/*
npx --no-install node --input-type=module -e '
const { DatabaseSync } = await import("node:sqlite");
const version = new DatabaseSync(":memory:").prepare("SELECT sqlite_version() AS version").get().version;
console.log(`SQLite ${version} (node:sqlite), Node ${process.version}`);
'
