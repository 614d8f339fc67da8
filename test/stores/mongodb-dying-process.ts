/**
 * @module
 * A process that commits to session ID and kills itself with SIGKILL at the CALL of that commit:
 * `node mongodb-dying-process.ts URL DATABASE ID CALL`. A session that is not there is created.
 */
import { MongoClient } from "mongodb";
import { commitOf, creation, say } from "../../src/store/conformance/build.ts";
import { mongodbStore } from "../../src/stores/mongodb.ts";
import { hookedDatabase } from "./mongodb-hooks.ts";

const [, , url = "", name = "", id = "", deadly = ""] = process.argv;
let isArmed = false;
const database = hookedDatabase(new MongoClient(url).db(name), (call) => {
  if (isArmed && call === deadly) process.kill(process.pid, "SIGKILL");
});
const store = mongodbStore({ database });
const [record] = await store.find([id]);
const drafts = [...(record ? [] : [creation({ id, userId: "u" })]), say("last words", "last")];
isArmed = true;
await store.commit([commitOf(record, drafts)]);
process.stdout.write("survived");
process.exit(0);
