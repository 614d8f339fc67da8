/**
 * @module
 * Formats of credentials that secretlint's preset does not know, or knows too narrowly. Each begins with, or holds, a
 * fixed piece of text, so that one look tells whether any of them can be there.
 *
 * Written from what the services say of their tokens, gathered by GitHub and by gitleaks:
 *
 * @see https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns
 * @see https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
 */
import type { RedactionSpan } from "./rule.ts";

interface SecretPattern {
  readonly rule: string;
  /** Each match holds one of these. None: it is looked for in every text. */
  readonly hints: readonly string[];
  /** Global. A group named `secret` is what to hide, else all of it. */
  readonly regex: RegExp;
}

/** A token that begins with one of `prefixes`, each given with all that is fixed, and goes on as `rest` says. */
function token(rule: string, prefixes: readonly string[], rest: string): SecretPattern {
  const start = prefixes.map(escapeRegex).join("|");
  return {
    rule,
    hints: prefixes,
    regex: new RegExp(`(?<![A-Za-z0-9])(?:${start})${rest}(?![A-Za-z0-9])`, "g"),
  };
}

const AN = "[A-Za-z0-9]";
const URL64 = "[A-Za-z0-9_-]";
const HEX = "[a-f0-9]";

const PATTERNS: readonly SecretPattern[] = [
  // Clouds.
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
  token("aws-access-key", ["AKIA", "ASIA", "ABIA", "ACCA"], "[A-Z2-7]{16}"),
  token("google-api-key", ["AIza"], `${URL64}{35}`),
  token("google-oauth", ["GOCSPX-"], `${URL64}{28}`),
  token("google-oauth", ["ya29."], `${URL64}{20,2048}`),
  {
    // https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    rule: "azure-key",
    hints: ["AccountKey=", "SharedAccessKey=", "accesskey=", "AccessKey="],
    regex: /(?:Account|SharedAccess|[Aa]ccess)[Kk]ey=(?<secret>[A-Za-z0-9+/]{42,86}={1,2})/g,
  },
  { rule: "azure-client-secret", hints: ["Q~"], regex: /(?<![\w~.-])[\w~.]{3}\dQ~[\w~.-]{31,34}(?![\w~-])/g },
  {
    rule: "azure-sas",
    hints: ["sig="],
    regex: /[?&]sig=(?<secret>[A-Za-z0-9%/+]{43,63}(?:%3[Dd]|=))/g,
  },
  token("digitalocean", ["dop_v1_", "doo_v1_", "dor_v1_"], `${HEX}{64}`),
  token("alibaba-access-key", ["LTAI"], `${AN}{17,21}`),
  token("cloudflare", ["v1.0-"], `${HEX}{24}-${HEX}{146}`),
  token("heroku", ["HRKU-AA"], `${URL64}{58}`),
  token("fly", ["fo1_"], `${URL64}{43}`),
  token("netlify", ["nfp_"], `${AN}{36}`),
  { rule: "terraform", hints: [".atlasv1."], regex: /(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}/g },
  token("pulumi", ["pul-"], `${HEX}{40}`),
  token("planetscale", ["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], "[\\w=.-]{32,64}"),
  token("supabase", ["sbp_"], `${HEX}{40}`),
  token("supabase", ["sb_secret_"], `${URL64}{22}_${URL64}{8}`),
  token(
    "doppler",
    ["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
    "[A-Za-z0-9._-]{40,80}",
  ),
  // Models.
  token("openai", ["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], `${URL64}{40,200}`),
  token("openai", ["sk-"], `${AN}{48}`),
  token("anthropic", ["sk-ant-"], `[a-z]{3,6}\\d{2}-${URL64}{80,120}`),
  token("openrouter", ["sk-or-v1-"], `${HEX}{64}`),
  token("deepseek", ["sk-"], `${HEX}{32}`),
  token("huggingface", ["hf_", "api_org_"], `${AN}{34,40}`),
  token("replicate", ["r8_"], `${AN}{37,40}`),
  token("perplexity", ["pplx-"], `${AN}{48,56}`),
  token("xai", ["xai-"], `${AN}{80}`),
  token("pinecone", ["pcsk_"], "[A-Za-z0-9_]{60,80}"),
  token("langsmith", ["lsv2_pt_", "lsv2_sk_"], `${HEX}{32}_${HEX}{10}`),
  token("tavily", ["tvly-"], "(?:dev-|prod-)?[A-Za-z0-9]{32}"),
  // Code and packages.
  // https://docs.gitlab.com/security/tokens/#token-prefixes
  token(
    "gitlab",
    [..."gldt glrt glcbt glptt glft glimt glagent gloas glsoat glffct".split(" ").map((kind) => `${kind}-`)],
    "[A-Za-z0-9_.-]{20,128}",
  ),
  token("github", ["ghr_"], `${AN}{76}`),
  {
    // https://docs.npmjs.com/cli/configuring-npm/npmrc
    rule: "npm",
    hints: ["_authToken=", "_auth="],
    regex: /_auth(?:Token)?=(?<secret>[^\s"'$]{6,500})/g,
  },
  token("pypi", ["pypi-AgE"], `${URL64}{50,1000}`),
  token("rubygems", ["rubygems_"], `${HEX}{48}`),
  token("crates-io", ["cio"], `${AN}{32}`),
  token("atlassian", ["ATATT3", "ATCTT3"], "[A-Za-z0-9_=-]{100,250}"),
  token("bitbucket", ["ATBB"], "[A-Za-z0-9_=.-]{24,40}"),
  token("buildkite", ["bkua_"], `${HEX}{40}`),
  token("circleci", ["CCIPAT_"], `${AN}{22}_${HEX}{40}`),
  token("postman", ["PMAK-"], `${HEX}{24}-${HEX}{34}`),
  token("linear", ["lin_oauth_"], `${HEX}{64}`),
  token("new-relic", ["NRAK-"], "[A-Z0-9]{27}"),
  token("sentry", ["sntryu_"], `${HEX}{64}`),
  token("sentry", ["sntrys_eyJ"], "[A-Za-z0-9+/=_]{80,400}"),
  token("posthog", ["phx_"], `${AN}{43,48}`),
  // Talk, mail, money.
  token("slack", ["xoxe-", "xoxe.xoxp-", "xoxe.xoxb-", "xoxc-", "xoxd-", "xoxs-"], "[A-Za-z0-9%-]{20,400}"),
  {
    rule: "slack",
    hints: ["hooks.slack.com/"],
    regex: /https:\/\/hooks\.slack\.com\/(?:workflows|triggers)\/[A-Za-z0-9/]{20,120}/g,
  },
  { rule: "telegram", hints: [":AA"], regex: /(?<![\w:])\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g },
  {
    // The first part is a user's number as base64: it begins with M, N or O.
    rule: "discord",
    hints: ["."],
    regex:
      /(?<![A-Za-z0-9_.-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}(?![A-Za-z0-9_-])/g,
  },
  {
    rule: "discord",
    hints: ["/api/webhooks/"],
    regex: /https:\/\/(?:\w+\.)?discord(?:app)?\.com\/api\/webhooks\/\d{17,20}\/[\w-]{60,80}/g,
  },
  token("sendgrid", ["SG."], `${URL64}{22}\\.${URL64}{43}`),
  token("mailgun", ["key-"], `${HEX}{32}`),
  { rule: "mailgun", hints: [], regex: /(?<![\w-])[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}(?![\w-])/g },
  { rule: "mailchimp", hints: ["-us"], regex: /(?<![\w-])[a-f0-9]{32}-us\d{1,2}(?!\w)/g },
  token("twilio", ["SK"], `${HEX}{32}`),
  token("stripe", ["sk_live_", "sk_test_", "rk_live_", "rk_test_"], `${AN}{16,247}`),
  token("stripe", ["whsec_"], "[A-Za-z0-9+/]{32,64}={0,2}"),
  token("square", ["sq0atp-"], `${URL64}{22}`),
  token("square", ["sq0csp-"], `${URL64}{43}`),
  token("braintree", ["access_token$production$", "access_token$sandbox$"], "[a-z0-9]{16}\\$[a-f0-9]{32}"),
  token("notion", ["secret_"], `${AN}{43}`),
  token("airtable", ["pat"], `${AN}{14}\\.${HEX}{64}`),
  token("databricks", ["dose"], `${HEX}{32}`),
  // Of no service.
  {
    // https://www.rfc-editor.org/rfc/rfc7519: both parts are JSON objects, which begin so in base64url.
    rule: "jwt",
    hints: ["eyJ"],
    regex: /(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{20,2000}/g,
  },
  {
    // https://www.rfc-editor.org/rfc/rfc7468, with the headers of older keys, and lines parted by "\n" in a text of code.
    // One that is cut off is hidden as far as it goes.
    rule: "private-key",
    hints: ["PRIVATE KEY"],
    regex:
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]){0,40}(?:[A-Za-z-]{1,40}: [^\n\r\\]{0,200}(?:\r?\n|\\r\\n|\\n)[ \t]{0,40})*(?:\s|\\[nr]){0,40}(?:[A-Za-z0-9+/=]{16,100}(?:\s|\\[nr]){0,40}){2,400}(?:[A-Za-z0-9+/=]{1,16}(?:\s|\\[nr]){0,40}){0,2}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?/g,
  },
  token("age", ["AGE-SECRET-KEY-1"], "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
  {
    // https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1, of any scheme. The last @ before the host ends it.
    rule: "url-password",
    hints: ["://"],
    regex:
      /(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}:\/\/[^\s:/?#@"'<>[\]{}]{0,256}:(?<secret>[^\s/?#"'<>[\]{}]{4,256})@(?=[A-Za-z0-9[])/g,
  },
  {
    // https://www.rfc-editor.org/rfc/rfc7235#section-4.2
    rule: "authorization",
    hints: ["earer ", "asic ", "EARER "],
    regex:
      /\b(?:[Bb]earer|BEARER|[Bb]asic) (?<secret>(?=[A-Za-z0-9._~+/-]{0,100}\d)[A-Za-z0-9._~+/-]{20,4000}={0,2})/g,
  },
];

const HINTS = new RegExp([...new Set(PATTERNS.flatMap(({ hints }) => hints))].map(escapeRegex).join("|"));

/** What the patterns find in `text`. */
export function findPatterns(text: string): RedactionSpan[] {
  const mayHold = HINTS.test(text);
  const spans: RedactionSpan[] = [];
  for (const { rule, hints, regex } of PATTERNS) {
    if (hints.length > 0 && !(mayHold && hints.some((hint) => text.includes(hint)))) continue;
    for (const match of text.matchAll(regex)) {
      const secret = match.groups?.secret ?? match[0];
      // A group stands behind what leads to it, so the last place where it fits is where it is.
      const start = match.index + match[0].lastIndexOf(secret);
      spans.push({ start, end: start + secret.length, rule });
    }
  }
  return spans;
}

/** Words that stand where a secret would in examples and templates, too long or too apart to be in a secret by chance. */
const SAMPLE =
  /example|x{6}|\*{3}|\.{3}|…|(?<![a-z0-9])your(?![a-z])|placeholder|changeme|change_me|redacted|dummy|insert|0123456789|123456789|abcdefghij|^\$\{\w+\}$|^\$[A-Z_]+$|^%\w+%$|^\{\{.*\}\}$|^<.*>$/i;

/** Whether it only shows what a secret looks like. */
export function isSample(secret: string): boolean {
  if (secret.includes("PRIVATE KEY")) return false;
  if (SAMPLE.test(secret)) return true;
  const tail = secret.slice(-16);
  return new Set(tail).size <= 2;
}

function escapeRegex(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
