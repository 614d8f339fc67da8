/** Personal data that is nobody's, and what looks like it. */
import { findPhoneNumbersInText, getExampleNumber } from "libphonenumber-js/max";
import examples from "libphonenumber-js/mobile/examples";
import type { LookAlike } from "./look-alikes.ts";
import { LOOK_ALIKES } from "./look-alikes.ts";
import type { Random } from "./random.ts";
import { DIGITS, HEX, LOWER, UPPER } from "./random.ts";
import type { Kind } from "./tokens.ts";

const COUNTRIES = ["GB", "DE", "FR", "US", "IN", "BR", "JP", "NG", "PL", "AU", "MX", "ZA"] as const;

function luhn(start: string, length: number, r: Random): string {
  const body = start + r.of(DIGITS, length - start.length - 1);
  const sum = Array.from(body)
    .reverse()
    .map(Number)
    .map((digit, place) => (place % 2 === 0 ? digit * 2 : digit))
    .map((digit) => (digit > 9 ? digit - 9 : digit))
    .reduce((total, digit) => total + digit, 0);
  return `${body}${(10 - (sum % 10)) % 10}`;
}

function iban(country: string, account: string): string {
  const digits = Array.from(`${account}${country}00`, (character) => Number.parseInt(character, 36)).join("");
  return `${country}${String(98n - (BigInt(digits) % 97n)).padStart(2, "0")}${account}`;
}

const inFours = (text: string, gap: string): string => (text.match(/.{1,4}/g) ?? []).join(gap);
const say = (before: string, secret: string, after: string) => ({ text: before + secret + after, secret });

export const PEOPLE: readonly Kind[] = [
  {
    kind: "email",
    make: (r) => say("write to ", `${r.of(LOWER, 6)}.${r.of(LOWER, 8)}@${r.of(LOWER, 8)}.com`, ", please"),
  },
  {
    kind: "email, tagged",
    make: (r) => say("<", `${r.of(LOWER, 6)}+list@mail.${r.of(LOWER, 6)}.co.uk`, ">"),
  },
  {
    kind: "email, in JSON",
    make: (r) => say('{"to":["', `${r.of(LOWER, 5)}_${r.of(DIGITS, 2)}@${r.of(LOWER, 7)}.de`, '"]}'),
  },
  {
    kind: "email, umlaut",
    make: (r) => say("an ", `jürgen.${r.of(LOWER, 5)}@${r.of(LOWER, 5)}-bücher.de`, "."),
  },
  {
    kind: "phone, international",
    make(r) {
      const number = getExampleNumber(COUNTRIES[r.between(0, COUNTRIES.length - 1)] ?? "GB", examples);
      return say("call me at ", number?.formatInternational() ?? "", " tonight");
    },
  },
  {
    kind: "phone, in one",
    make(r) {
      const number = getExampleNumber(COUNTRIES[r.between(0, COUNTRIES.length - 1)] ?? "GB", examples);
      return say("tel:", number?.number ?? "", "");
    },
  },
  { kind: "card, visa", make: (r) => say("card ", luhn("4", 16, r), ", thanks") },
  { kind: "card, in fours", make: (r) => say("card ", inFours(luhn("52", 16, r), " "), ", 12/29") },
  { kind: "card, hyphens", make: (r) => say("", inFours(luhn("6011", 16, r), "-"), "") },
  { kind: "card, american express", make: (r) => say("amex ", luhn("37", 15, r), "") },
  { kind: "iban, german", make: (r) => say("IBAN: ", iban("DE", r.of(DIGITS, 18)), "") },
  {
    kind: "iban, british, in fours",
    make: (r) => say("to ", inFours(iban("GB", r.of(UPPER, 4) + r.of(DIGITS, 14)), " "), " today"),
  },
  {
    kind: "ip, 4",
    make: (r) =>
      say(
        "from ",
        `8${r.between(0, 9)}.${r.between(0, 255)}.${r.between(0, 255)}.${r.between(1, 254)}`,
        ":443",
      ),
  },
  {
    kind: "ip, 6",
    make: (r) =>
      say(
        "from ",
        `2a01:4f8:${r.of("123456789abcdef", 4)}:${r.of("123456789abcdef", 3)}::${r.of("123456789abcdef", 2)}`,
        " ",
      ),
  },
  // What has no form that tells it from another number.
  { kind: "phone, national", make: (r) => say("ring 0", `20 7946 0${r.of(DIGITS, 3)}`, "") },
];

export const NO_PEOPLE: readonly LookAlike[] = [
  ...LOOK_ALIKES,
  {
    kind: "address of documentation",
    make: (r) => `${r.of(LOWER, 5)}@example.com, ops@test.invalid, root@localhost`,
  },
  {
    kind: "not an address",
    make: (r) => `icon@2x.png ${r.of(LOWER, 5)}@1.2.3 @${r.of(LOWER, 6)} a@b getty@tty1.service`,
  },
  {
    kind: "sixteen digits",
    make: (r) => `1${r.of(DIGITS, 15)} trace ${r.of(HEX, 16)} 0x${r.of(DIGITS, 16)}`,
  },
  {
    kind: "sum",
    make: (r) =>
      `${r.between(1, 9)},${r.of(DIGITS, 3)},${r.of(DIGITS, 3)}.00 + ${r.of(DIGITS, 4)} = ${r.of(DIGITS, 5)}`,
  },
  { kind: "diff", make: (r) => `@@ -${r.between(1, 999)},7 +${r.between(1, 999)},9 @@ +12 -3` },
  { kind: "range of years", make: () => "2019-2026, 10.11.2026 12:13:14, 1990–2020" },
  {
    kind: "private address",
    make: (r) => `192.168.${r.between(0, 255)}.1 127.0.0.1 10.0.0.${r.between(1, 254)} ::1 fe80::1`,
  },
  {
    kind: "time and path",
    make: (r) =>
      `12:34:56 a::b std::vector ${r.of(HEX, 2)}:${r.of(HEX, 2)}:${r.of(HEX, 2)}:${r.of(HEX, 2)}:${r.of(HEX, 2)}:${r.of(HEX, 2)}`,
  },
];

/** Whether the library itself takes it for a phone number: then it is one. */
export const isPhone = (text: string): boolean => findPhoneNumbersInText(text).length > 0;
