/**
 * @module
 * Text of others on a terminal. A transcript may hold anything; what would move the cursor, recolour the screen or turn
 * the direction of the text is taken out before it is printed.
 */
import { stripVTControlCharacters } from "node:util";

/** C0 but tab and line end, DEL, C1, and the characters that turn the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** `text` without control characters and escape sequences; tabs and line ends stay. */
export function clean(text: string): string {
  return stripVTControlCharacters(text.replace(/\r\n?/g, "\n")).replace(UNSAFE, "").toWellFormed();
}

/** The same on one line, with every stretch of white space as one space. */
export function cleanLine(text: string): string {
  return clean(text).replace(/\s+/g, " ").trim();
}

/** JSON text that means the same and holds no character that a terminal would act on. */
export function cleanJson(json: string): string {
  return json.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
