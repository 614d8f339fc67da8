/**
 * @module
 * Personal data with a form that can be checked: addresses of mail, phone numbers, cards, bank accounts, network addresses.
 * Names and postal addresses have none; a function of one's own, or a service, finds those.
 */
import { BlockList, isIP } from "node:net";
import { invalidArgument } from "../../log/errors.ts";
import { findCards, findIbans } from "./numbers.ts";
import type { RedactionRule, RedactionSpan } from "./rule.ts";

export interface PersonalDataOptions {
  /** Default true. Addresses at the domains that are reserved for examples are left. */
  readonly email?: boolean;
  /**
   * Numbers in international form (`+44 20 …`), and with `country` (two letters, such as `"GB"`) those in the form of that
   * country too. Needs `libphonenumber-js`. Default true.
   */
  readonly phone?: boolean | { readonly country: string };
  /** Numbers of payment cards whose check digit is right. Default true. */
  readonly creditCard?: boolean;
  /** Account numbers (IBAN) whose check digits are right. Default true. */
  readonly iban?: boolean;
  /** Public IP addresses, version 4 and 6. Default false. */
  readonly ip?: boolean;
}

/** What this needs of libphonenumber-js. */
type FindPhones = (text: string, country?: string) => readonly RedactionSpan[];

/**
 * Finds e-mail addresses, phone numbers, payment cards and IBANs, and with `ip: true` public network addresses.
 *
 * Its first use loads `libphonenumber-js/max`, unless `phone` is false.
 *
 * @throws INVALID_ARGUMENT, at the first commit, where that package is missing.
 */
export function personalData(options: PersonalDataOptions = {}): RedactionRule {
  const { email = true, phone = true, creditCard = true, iban = true, ip = false } = options;
  const country = typeof phone === "object" ? phone.country : undefined;
  if (country !== undefined && !/^[A-Z]{2}$/.test(country))
    throw invalidArgument('the country of phone numbers must be two capital letters, such as "GB"');
  let findPhones: FindPhones = () => [];
  return {
    name: "personal-data",
    async load() {
      if (phone !== false) findPhones = await loadPhones();
    },
    find(text) {
      const spans: RedactionSpan[] = [];
      if (email && text.includes("@")) spans.push(...findEmails(text));
      const hasDigit = text.length >= 6 && /[0-9\uFF10-\uFF19]/.test(text);
      if (hasDigit) {
        if (iban) spans.push(...findIbans(text));
        if (creditCard) spans.push(...findCards(text));
      }
      if (phone !== false && mayHoldPhone(text, country)) {
        const others = [...spans];
        const isFree = (span: RedactionSpan): boolean =>
          others.every((other) => span.end <= other.start || other.end <= span.start);
        spans.push(...findPhones(text, country).filter(isFree));
      }
      if (ip && (hasDigit || text.includes("::"))) spans.push(...findAddresses(text));
      return spans;
    },
  };
}

/** RFC 5322 without quotes and comments, which nobody writes: each side at most as long as RFC 5321 allows. */
const LOCAL = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]{1,64}$/u;
const DOMAIN = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}\p{L}{2,24}(?![\p{L}\p{N}_])/u;
/** https://www.rfc-editor.org/rfc/rfc2606 */
const RESERVED = /(?:^|\.)(?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost|local)$/i;
/** `icon@2x.png`, `getty@tty1.service`. */
const FILE_ENDING =
  /\.(?:png|jpe?g|gif|svg|webp|ico|[cm]?[jt]sx?|json|css|scss|html?|md|ya?ml|lock|service|target|timer|socket)$/i;

function findEmails(text: string): RedactionSpan[] {
  const spans: RedactionSpan[] = [];
  for (let at = text.indexOf("@"); at !== -1; at = text.indexOf("@", at + 1)) {
    const [domain] = DOMAIN.exec(text.slice(at + 1, at + 255)) ?? [];
    const [before] = LOCAL.exec(text.slice(Math.max(0, at - 64), at)) ?? [];
    // Quotes and the like around an address are no part of it.
    const local = before?.replace(/^[^\p{L}\p{N}_]+/u, "").replace(/^.*[=/'`{|}]/u, "");
    if (!domain || !local || RESERVED.test(domain) || FILE_ENDING.test(domain)) continue;
    const end = at + 1 + domain.length;
    // The address of a repository, as git writes it, and a URL with a user.
    const isRemote = local === "git" || /:\/\/[^\s/]*$/.test(text.slice(Math.max(0, at - 300), at));
    if (!isRemote) spans.push({ start: at - local.length, end, rule: "email" });
  }
  return spans;
}

/** Cheap, since looking for phone numbers is not. */
function mayHoldPhone(text: string, country: string | undefined): boolean {
  if (text.length < 7) return false;
  return country === undefined
    ? /[+\uFF0B][\s(]*[0-9\uFF10-\uFF19]/.test(text)
    : /[0-9\uFF10-\uFF19][^A-Za-z]{5}/.test(text);
}

async function loadPhones(): Promise<FindPhones> {
  const { findPhoneNumbersInText, isSupportedCountry } = await import("libphonenumber-js/max").catch(
    (error: unknown) => {
      throw invalidArgument(
        `personalData() needs the package libphonenumber-js, which could not be loaded (${error instanceof Error ? error.message : String(error)}); install it, or give personalData({ phone: false })`,
      );
    },
  );
  return (text, country) => {
    const isKnown = country !== undefined && isSupportedCountry(country);
    if (country !== undefined && !isKnown) throw invalidArgument(`no phone numbers are known of ${country}`);
    const found = isKnown
      ? findPhoneNumbersInText(text, { defaultCountry: country })
      : findPhoneNumbersInText(text);
    return found.map(({ startsAt, endsAt }) => ({ start: startsAt, end: endsAt, rule: "phone" }));
  };
}

/** Addresses that are nobody's: RFC 1918, 3849, 3927, 5737, 6598. */
const NOBODYS = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  NOBODYS.addSubnet(network, prefix, "ipv4");
NOBODYS.addSubnet("2001:db8::", 32, "ipv6");
/** https://www.iana.org/assignments/ipv6-address-space: what is in use for single addresses. */
const GLOBAL = new BlockList();
GLOBAL.addSubnet("2000::", 3, "ipv6");

const IPV4 = /(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)/g;
const IPV6 = /(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])/g;

function findAddresses(text: string): RedactionSpan[] {
  const spans: RedactionSpan[] = [];
  for (const [regex, family] of [
    [IPV4, "ipv4"],
    [IPV6, "ipv6"],
  ] as const) {
    for (const { 0: match, index } of text.matchAll(regex)) {
      if (isIP(match) === 0 || NOBODYS.check(match, family)) continue;
      if (family === "ipv6" && !GLOBAL.check(match, family)) continue;
      spans.push({ start: index, end: index + match.length, rule: "ip" });
    }
  }
  return spans;
}
