/**
 * @module
 * Numbers that carry check digits: payment cards and bank accounts.
 */
import type { RedactionSpan } from "./rule.ts";

/** 13 to 19 digits in groups. A longer number, an id or a decimal is none. */
const CARD = /(?<![\w.,-])\d{4}(?:[ -]?\d){9,15}(?![\w-]|[.,]\d)/g;
/**
 * The first digits of each network, and how many there are: Visa, Mastercard, American Express, Discover, Diners Club,
 * JCB, UnionPay.
 *
 * @see https://www.iso.org/standard/70484.html (ISO/IEC 7812-1); https://en.wikipedia.org/wiki/Payment_card_number
 */
const NETWORKS =
  /^(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17})$/;

export function findCards(text: string): RedactionSpan[] {
  const spans: RedactionSpan[] = [];
  for (const { 0: match, index } of text.matchAll(CARD)) {
    const digits = match.replaceAll(/\D/g, "");
    if (NETWORKS.test(digits) && isLuhn(digits) && new Set(digits).size > 1)
      spans.push({ start: index, end: index + match.length, rule: "credit-card" });
  }
  return spans;
}

/** @see https://en.wikipedia.org/wiki/Luhn_algorithm (ISO/IEC 7812-1, annex B) */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const doubled = place % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** How long an account number is in each country. @see https://www.swift.com/standards/data-standards/iban-international-bank-account-number */
const IBAN_LENGTHS: Readonly<Record<number, string>> = {
  15: "NO",
  16: "BE",
  18: "DK FI FK FO GL NL SD",
  19: "MK SI",
  20: "AT BA EE KZ LT LU MN XK",
  21: "CH HR LI LV",
  22: "BG BH CR DE GB GE IE ME RS VA",
  23: "AE GI IL IQ OM SO TL",
  24: "AD CZ ES MD PK RO SA SE SK TN VG",
  25: "LY PT ST",
  26: "IS TR",
  27: "BI DJ FR GR IT MC MR SM",
  28: "AL AZ BY CY DO GT HU LB NI PL SV",
  29: "BR EG PS QA UA",
  30: "JO KW MU YE",
  31: "MT SC",
  32: "LC",
  33: "RU",
};
const LENGTH_OF: ReadonlyMap<string, number> = new Map(
  Object.entries(IBAN_LENGTHS).flatMap(([length, countries]) =>
    countries.split(" ").map((country): [string, number] => [country, Number(length)]),
  ),
);
const IBAN_START = /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=[ A-Z0-9]{11})/g;

export function findIbans(text: string): RedactionSpan[] {
  const spans: RedactionSpan[] = [];
  for (const { 0: match, index } of text.matchAll(IBAN_START)) {
    const length = LENGTH_OF.get(match.slice(0, 2));
    if (length === undefined) continue;
    const end = endOf(text, index, length);
    if (end !== undefined && isMod97(text.slice(index, end).replaceAll(" ", "")))
      spans.push({ start: index, end, rule: "iban" });
  }
  return spans;
}

/** Where `length` letters and digits end, with single spaces between them. */
function endOf(text: string, start: number, length: number): number | undefined {
  let taken = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (/[A-Z0-9]/.test(character)) taken += 1;
    else if (character !== " " || text.charAt(at - 1) === " ") return undefined;
    if (taken === length) return /[A-Za-z0-9]/.test(text.charAt(at + 1)) ? undefined : at + 1;
  }
  return undefined;
}

/** @see https://www.iso.org/standard/81090.html (ISO 13616), the check of ISO/IEC 7064 MOD 97-10 */
function isMod97(iban: string): boolean {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (value > 9 ? rest * 100 + value : rest * 10 + value) % 97;
  }
  return rest === 1;
}
