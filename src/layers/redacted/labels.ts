/**
 * @module
 * Labels that were cut from a text. A label made of a conversation's first message can end within a secret, and half of one
 * is recognised by no rule. What was hidden in the same commit tells.
 */

/** Sessions whose label is remembered. A writer goes on sending the one that it knows, for as long as it lives. */
const LIMIT = 100_000;
/** Fewer characters are not worth hiding, and end most labels by chance. */
const MIN_PART = 3;

export interface Labels {
  /** What is stored for `label`, where that was settled in an earlier commit. */
  known(sessionId: string, label: string): string | undefined;
  /**
   * `label`, redacted already, without any of `hidden`, nor the beginning of one at its end.
   *
   * @param sent the label before it was redacted.
   */
  cut(sessionId: string, sent: string, label: string, hidden: ReadonlyMap<string, string>): string;
}

export function createLabels(): Labels {
  const settled = new Map<string, { readonly sent: string; readonly stored: string }>();
  return {
    known(sessionId, label) {
      const found = settled.get(sessionId);
      return found?.sent === label ? found.stored : undefined;
    },
    cut(sessionId, sent, label, hidden) {
      const stored = withoutPart(label, hidden);
      if (stored === label) return label;
      settled.delete(sessionId);
      settled.set(sessionId, { sent, stored });
      const [oldest] = settled.size > LIMIT ? settled.keys() : [];
      if (oldest !== undefined) settled.delete(oldest);
      return stored;
    },
  };
}

function withoutPart(label: string, hidden: ReadonlyMap<string, string>): string {
  const [, start = label, end = ""] = /^(.*?)((?:\s*(?:…|\.\.\.))?)$/su.exec(label) ?? [];
  let text = start;
  for (const [original, placed] of hidden) {
    // A label is one line.
    const line = original.replaceAll(/[\s\p{Cc}]+/gu, " ");
    if (line.length < MIN_PART) continue;
    // What told that it is a secret may have been cut off, such as the host behind a password.
    text = text.replaceAll(line, () => placed);
    for (let length = Math.min(line.length - 1, text.length); length >= MIN_PART; length -= 1) {
      if (!text.endsWith(line.slice(0, length))) continue;
      text = text.slice(0, -length) + placed;
      break;
    }
  }
  return text + end;
}
