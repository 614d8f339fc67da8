/**
 * A coding agent: it reads files by itself, and writes one only once somebody has said yes, in whatever process.
 *
 *     node examples/coding-agent.ts
 */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve, sep } from "node:path";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

await using folder = await mkdtempDisposable(join(tmpdir(), "holdfast-"));
const project = join(folder.path, "project");
await mkdir(project);
await writeFile(join(project, "greeting.txt"), "Hello wrold");

/** A model may ask for any path; only those inside the project are given to it. */
function inProject(path: string): string {
  const full = resolve(project, path);
  if (full !== project && !full.startsWith(project + sep)) throw new Error(`${path} is outside the project`);
  return full;
}

/** Made anew wherever one is needed: in the terminal, in the web server that shows what waits for approval, … */
function codingAgent() {
  return createAgent({
    name: "coder",
    instructions: "You edit files in one project. Look before you write.",
    model: offlineModel(), // or any model of the AI SDK, such as anthropic("…") or openai("…")
    store: sqliteStore({ path: join(folder.path, "coder.db") }),
    tools: {
      list_files: {
        description: "Lists the files of the project.",
        inputSchema: z.object({}),
        readOnly: true, // may run again if a crash interrupted it
        execute: () => readdir(project),
      },
      read_file: {
        description: "Reads a file.",
        inputSchema: z.object({ path: z.string() }),
        readOnly: true,
        execute: ({ path }: { path: string }) => readFile(inProject(path), "utf8"),
      },
      write_file: {
        description: "Writes a file, or replaces it.",
        inputSchema: z.object({ path: z.string(), content: z.string() }),
        needsApproval: true,
        execute: async ({ path, content }: { path: string; content: string }) => {
          await writeFile(inProject(path), content);
          return `${path} is written`;
        },
      },
    },
  });
}

const read = () => readFile(join(project, "greeting.txt"), "utf8");

{
  await using terminal = codingAgent();
  const prompt = [
    "use list_files",
    'then use read_file {"path":"greeting.txt"}',
    'then use write_file {"path":"greeting.txt","content":"Hello world"}',
  ].join(", ");
  const { finishReason } = await terminal.run(prompt, { sessionId: "fix-typo" });
  assert.equal(finishReason, "approval");
  assert.equal(await read(), "Hello wrold");
}
// The first process is gone. Another one sees what waits, and approves it.
{
  await using server = codingAgent();
  const [waiting] = await server.approvals("fix-typo");
  assert.deepEqual(waiting?.input, { path: "greeting.txt", content: "Hello world" });
  const { text } = await server.approve("fix-typo", { toolCallId: waiting.toolCallId, approved: true });
  assert.equal(await read(), "Hello world");
  console.log(text);
}
{
  await using agent = codingAgent();
  const prompt = 'use write_file {"path":"greeting.txt","content":""}';
  const [waiting] = (await agent.run(prompt, { sessionId: "fix-typo" })).approvals;
  assert(waiting);
  const answer = { toolCallId: waiting.toolCallId, approved: false, reason: "keep the greeting" };
  const { text } = await agent.approve("fix-typo", answer);
  assert.match(text, /did not approve write_file: keep the greeting/);
  assert.equal(await read(), "Hello world");

  const outside = await agent.run('use read_file {"path":"../coder.db"}', { sessionId: "fix-typo" });
  assert.match(outside.text, /outside the project/);
  console.log(`${text}\n${outside.text}`);
}
