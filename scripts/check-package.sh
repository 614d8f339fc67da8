#!/usr/bin/env bash
# The package as its users get it: what publint and arethetypeswrong say, its size, and a clean install of the tarball.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" >/dev/null
tarball=$(ls "$folder"/*.tgz)
ai=$(node -p 'require("./package.json").devDependencies.ai')
npx --no-install publint --strict "$tarball"
npx --no-install attw --profile esm-only "$tarball"
node scripts/check-size.ts
mkdir "$folder/app"
cd "$folder/app"
printf '{"type":"module","private":true}' >package.json
npm install --silent --no-audit --no-fund "$tarball"
node --disable-warning=ExperimentalWarning --input-type=module -e '
  import { createSessions } from "holdfast";
  import { sqliteStore } from "holdfast/sqlite";
  const sessions = createSessions({ store: sqliteStore({ path: "./s.db" }) });
  const session = await sessions.create({ messages: [{ role: "user", content: "hi" }] });
  console.log((await session.messages()).length === 1 ? "the installed package works" : process.exit(1));
  await sessions.close();
'
npx --no-install holdfast --store sqlite:./s.db ls
ls node_modules | grep -v '^holdfast$' && { echo "the package brought dependencies"; exit 1; } || echo "no dependencies"

# With the AI SDK beside it, agents and the terminal chat work too.
npm install --silent --no-audit --no-fund "ai@$ai"
node --disable-warning=ExperimentalWarning --input-type=module -e '
  import { createAgent, offlineModel } from "holdfast/agent";
  import { sqliteStore } from "holdfast/sqlite";
  const agent = createAgent({ name: "check", model: offlineModel(), store: sqliteStore({ path: "./s.db" }) });
  await agent.run("My name is Alice.", { sessionId: "s-1" });
  const { text } = await agent.run("What is my name?", { sessionId: "s-1" });
  console.log(text.includes("Alice") ? "the installed agent works" : process.exit(1));
  await agent.close();
'
