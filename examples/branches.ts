/**
 * Trying several answers from one point, and keeping the best.
 *
 *     node examples/branches.ts
 */
import { createSessions, memoryStore } from "holdfast";

const sessions = createSessions({ store: memoryStore() });
const story = await sessions.create({ label: "A story" });
await story.append({ role: "user", content: "Begin a story about the sea." });

const attempts = await Promise.all(
  ["The sea was calm.", "Nobody had seen the sea for a year.", "The sea came at noon."].map(
    async (opening) => {
      const attempt = await story.fork({ label: opening });
      await attempt.append({ role: "assistant", content: opening });
      return attempt;
    },
  ),
);
const best = attempts.reduce((a, b) => (String(a.label).length > String(b.label).length ? a : b));
for (const attempt of attempts) if (attempt !== best) await sessions.delete(attempt.id);

for await (const record of sessions.all()) console.log(record.kind, record.label);
console.log((await best.messages()).map(({ content }) => content).join(" "));
