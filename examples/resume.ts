/**
 * A conversation that goes on where it stopped: run it twice with the same folder.
 *
 *     node examples/resume.ts [FOLDER]
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSessions, fileStore } from "holdfast";

const folder = process.argv[2] ?? join(tmpdir(), `holdfast-example-${process.pid}`);

for (const question of ["My name is Alice.", "What is my name?"]) {
  // Opened anew each time, as two runs of a program would.
  await using sessions = createSessions({ store: fileStore(folder) });
  const session = await sessions.getOrCreate("chat", { userId: "alice" });
  await session.turn(async (turn) => {
    await turn.append({ role: "user", content: question });
    const heard = (await session.context()).map((message) => String(message.content)).join(" ");
    const name = /my name is (\w+)/i.exec(heard)?.[1] ?? "unknown to me";
    await turn.append({ role: "assistant", content: `Your name is ${name}.` });
  });
  console.log(
    (await session.messages({ last: 2 })).map(({ role, content }) => `${role}: ${content}`).join("\n"),
  );
}
