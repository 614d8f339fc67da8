/**
 * @module
 * What was spent, from the words of several providers.
 */
import type { Usage } from "../../log/record.ts";
import { countOf, type Fields } from "./fields.ts";

/** Adds up what two say; `undefined` where neither says anything. */
export function addUsage(
  one: Partial<Usage> | undefined,
  other: Partial<Usage> | undefined,
): Partial<Usage> | undefined {
  if (!one || !other) return one ?? other;
  const sum: { -readonly [K in keyof Usage]?: number } = { ...one };
  for (const key of KEYS) {
    const more = other[key];
    if (more !== undefined) sum[key] = (sum[key] ?? 0) + more;
  }
  return sum;
}

const KEYS = [
  "inputTokens",
  "outputTokens",
  "cachedInputTokens",
  "reasoningTokens",
  "totalTokens",
  "costUsd",
] as const;

/**
 * Usage as Anthropic's API counts it. There `input_tokens` are only those that no cache served; here `inputTokens` are
 * all, as everywhere in Holdfast.
 */
export function anthropicUsage(usage: Fields): Partial<Usage> | undefined {
  const output = countOf(usage.output_tokens);
  const fresh = countOf(usage.input_tokens);
  const cached = countOf(usage.cache_read_input_tokens) ?? 0;
  const input = (fresh ?? 0) + cached + (countOf(usage.cache_creation_input_tokens) ?? 0);
  const cost = countOf(usage.total_cost_usd);
  if (input + (output ?? 0) + (cost ?? 0) === 0) return undefined;
  return {
    inputTokens: input,
    outputTokens: output ?? 0,
    ...(cached > 0 && { cachedInputTokens: cached }),
    totalTokens: input + (output ?? 0),
    ...(cost !== undefined && cost > 0 && { costUsd: cost }),
  };
}

/** Usage as OpenAI's Responses API counts it. */
export function openaiUsage(usage: Fields): Partial<Usage> | undefined {
  const input = countOf(usage.input_tokens);
  const output = countOf(usage.output_tokens);
  if (input === undefined && output === undefined) return undefined;
  const cached = countOf(usage.cached_input_tokens);
  const reasoning = countOf(usage.reasoning_output_tokens);
  return {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    ...(cached !== undefined && { cachedInputTokens: cached }),
    ...(reasoning !== undefined && { reasoningTokens: reasoning }),
    totalTokens: countOf(usage.total_tokens) ?? (input ?? 0) + (output ?? 0),
  };
}
