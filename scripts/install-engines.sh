#!/usr/bin/env bash
# Installs the engines that the tests need, from package registries only. Memory, files and SQLite need none: Node
# brings its own SQLite, and better-sqlite3 and libsql come with npm ci.
set -euo pipefail
cd "$(dirname "$0")/.."
npx --no-install node --input-type=module -e '
const { DatabaseSync } = await import("node:sqlite");
const version = new DatabaseSync(":memory:").prepare("SELECT sqlite_version() AS version").get().version;
console.log(`SQLite ${version} (node:sqlite), Node ${process.version}`);
'
