/**
 * Two workers meet on one session: appends of both are kept, a turn is one worker's.
 *
 *     node examples/two-workers.ts
 */
import { createSessions, HoldfastError, memoryStore } from "holdfast";

const store = memoryStore();
const [first, second] = [createSessions({ store }), createSessions({ store })];
const mine = await first.create({ id: "shared" });
const theirs = await second.open("shared");

await Promise.all(
  Array.from({ length: 20 }, (_, index) =>
    (index % 2 ? mine : theirs).append({ role: "user", content: `line ${index}` }),
  ),
);
console.log(`${(await mine.messages()).length} of 20 kept`);

await mine.turn(async () => {
  const refused = await theirs.turn(async () => "both at once").catch((error: unknown) => error);
  console.log(HoldfastError.is(refused, "TURN_IN_PROGRESS") ? refused.message : "this must not happen");
});
