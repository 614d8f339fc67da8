/**
 * @module
 * What the demo shows: scenes, what is said in them, and checks. A check that fails ends it.
 */

import type { StoredObject } from "../../log/entry.ts";
import { clean, cleanLine } from "../clean.ts";
import { CliError } from "../failure.ts";
import type { Output } from "../output.ts";
import { paint, paintRole } from "../style.ts";
import { messageLine } from "../transcript-text.ts";

export interface Stage {
  /** Begins a part of the demo. */
  scene(title: string): void;
  /** What happens. */
  tell(text: string): void;
  /** What somebody says, in whose process. */
  said(worker: string, message: StoredObject): void;
  /** Claims something and checks it. @throws CHECK_FAILED where it is not so. */
  check(claim: string, holds: boolean, seen?: () => unknown): void;
  /** How many checks have passed. */
  readonly passed: number;
}

const WORKER_WIDTH = 9;
const ROLE_WIDTH = 10;

export function createStage(output: Output): Stage {
  let scenes = 0;
  let passed = 0;
  const line = (text: string): void => {
    if (!output.json) output.line(text);
  };
  return {
    scene(title) {
      scenes += 1;
      line(`\n${paint(["bold", "cyan"], `${scenes}  ${title}`)}`);
    },
    tell: (text) => line(`   ${clean(text)}`),
    said(worker, message) {
      const role = cleanLine(String(message.role));
      const who = paint("dim", worker.padEnd(WORKER_WIDTH));
      line(`   ${who}${paintRole(role, role.padEnd(ROLE_WIDTH))}${messageLine(message)}`);
    },
    check(claim, holds, seen) {
      if (!holds) {
        const found = seen === undefined ? "" : `; found: ${cleanLine(JSON.stringify(seen()) ?? "nothing")}`;
        throw new CliError("CHECK_FAILED", `the demo claims that ${claim}, and that is not so${found}`);
      }
      passed += 1;
      if (output.json) output.value({ check: claim, passed: true });
      else output.line(`   ${paint(["bold", "green"], "✓")} ${claim}`);
    },
    get passed() {
      return passed;
    },
  };
}
