/**
 * A writer in a process of its own: opens one session and appends, a line on stdout for each message that was
 * acknowledged. `argv`: store kind, folder, session id, name, how many (0: until it is killed).
 */
import { createSessions } from "../../src/session/sessions.ts";
import { openIn } from "../session/open-in.ts";

const [kind, folder = "", id = "", name = "", count = "0"] = process.argv.slice(2);
if (kind !== "file" && kind !== "sqlite") throw new Error(`no store ${kind}`);
const sessions = createSessions({ store: openIn(kind, folder, "full") });
const session = await sessions.open(id);
const most = Number(count);

if (most > 0) {
  const appends: Promise<unknown>[] = [];
  for (let index = 0; index < most; index += 1) {
    appends.push(session.append({ role: "user", content: `${name} ${index}` }));
    // All in one tick would be one commit; in waves, the processes meet again and again.
    if (index % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(appends);
  await sessions.close();
} else {
  for (let index = 0; ; index += 1) {
    const length = (index * 7919) % 3000;
    // Now and then several at once, so that a kill meets commits of one entry and of many.
    const messages = Array.from({ length: 1 + (index % 4) }, (_, part) => ({
      role: "user" as const,
      content: `${name} ${index}.${part} ${"x".repeat(length)}`,
    }));
    const { ids } = await session.append(messages, {
      ids: messages.map((_, part) => `${name}-${index}-${part}`),
    });
    process.stdout.write(`${ids.join(" ")}\n`);
  }
}
