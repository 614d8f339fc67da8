/**
 * 64 sessions, each with a turn at the same time, over and over, on SQLite, by the package as it is installed: Node
 * needs memory of its own to read TypeScript. Prints the most megabytes that were
 * resident, the text events that came, those that had to come, and how long it took. With `direct`: the AI SDK alone, its
 * histories in memory.
 */
import { join } from "node:path";
import type { ModelMessage } from "ai";
import { isStepCount, streamText } from "ai";
import { createAgent, offlineModel } from "holdfast/agent";
import { sqliteStore } from "holdfast/sqlite";

const [, , folder = "", rounds = "1", mode = ""] = process.argv;
const agent = createAgent({
  name: "bench",
  model: offlineModel(),
  store: sqliteStore({ path: join(folder, "sessions.db") }),
  history: { lastMessages: 50 },
});
const histories = new Map<string, ModelMessage[]>();
const ids = Array.from({ length: 64 }, (_, index) => `session-${index}`);
let [events, expected, mostBytes] = [0, 0, 0];
const startedAt = performance.now();
for (let round = 0; round < Number(rounds); round += 1) {
  const prompt = `Round ${round}: what have I said before, and is all of it still there?`;
  await Promise.all(
    ids.map(async (sessionId) => {
      if (mode === "direct") return answerDirectly(sessionId, prompt);
      let text = "";
      for await (const event of agent.stream(prompt, { sessionId })) {
        if (event.type === "text") {
          text += event.text;
          events += 1;
        }
        if (event.type !== "done") continue;
        if (text !== event.result.text) throw new Error(`${sessionId}: the events read ${text}`);
        expected += event.result.text.split(" ").length;
      }
    }),
  );
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
}
const ms = performance.now() - startedAt;
for (const sessionId of mode === "direct" ? [] : ids) {
  const record = await agent.sessions.find(sessionId);
  if (record?.messageCount !== 2 * Number(rounds))
    throw new Error(`${sessionId}: ${record?.messageCount} messages`);
}
await agent.close();

async function answerDirectly(id: string, prompt: string): Promise<void> {
  const messages: ModelMessage[] = [...(histories.get(id) ?? []), { role: "user", content: prompt }];
  const { stream } = streamText({ model: offlineModel(), messages, stopWhen: isStepCount(1) });
  let text = "";
  for await (const part of stream) if (part.type === "text-delta") text += part.text;
  histories.set(id, [...messages, { role: "assistant", content: text }]);
}

console.log(JSON.stringify([mostBytes / 1024 / 1024, events, expected, ms]));
