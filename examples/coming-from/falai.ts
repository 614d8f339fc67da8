/**
 * For those who come from @falai/agent: every scenario of its session persistence (1.0 and 1.2), done with Holdfast and
 * checked, in the order of its document.
 *
 *     node examples/coming-from/falai.ts
 */
import "./falai/sessions.ts";
import "./falai/persistence.ts";
import "./falai/adapters.ts";
import "./falai/patterns.ts";

console.log("Every scenario of @falai/agent's session persistence holds.");
