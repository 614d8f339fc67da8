/**
 * Credentials of the right form that open nothing: made of parts at run time by a generator with a seed, so that no file
 * holds one. Each kind says the form as its service gives it.
 */
import type { Random } from "./random.ts";
import { ALNUM, BASE32, BASE64, DIGITS, HEX, LETTERS, LOWER, UPPER, URL64 } from "./random.ts";

export interface Kind {
  readonly kind: string;
  /** A text with a credential in it, and what of it must not be stored. */
  readonly make: (random: Random) => { readonly text: string; readonly secret: string };
}

/** A token in one of the sentences that people and tools put tokens into. */
function token(kind: string, make: (random: Random) => string): Kind {
  return {
    kind,
    make(random) {
      const secret = make(random);
      const texts = [
        secret,
        `Use ${secret} for the staging account.`,
        `export SERVICE_KEY=${secret}\nnpm run deploy`,
        `{"headers":{"x-key":"${secret}"},"retries":2}`,
        `The key is \`${secret}\`, don't share it!`,
      ];
      return { text: texts[random.between(0, texts.length - 1)] ?? secret, secret };
    },
  };
}

function within(
  kind: string,
  make: (random: Random) => readonly [before: string, secret: string, after: string],
): Kind {
  return {
    kind,
    make(random) {
      const [before, secret, after] = make(random);
      return { text: before + secret + after, secret };
    },
  };
}

const lines = (text: string, width: number, end: string): string =>
  (text.match(new RegExp(`.{1,${width}}`, "g")) ?? []).join(end);
const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function pem(random: Random, label: string, start: string, end = "\n", headers = ""): string {
  const body = start + random.of(BASE64, random.between(200, 1600));
  return `-----BEGIN ${label}-----${end}${headers}${lines(body, 64, end)}${end}-----END ${label}-----`;
}

export const TOKENS: readonly Kind[] = [
  token("aws access key", (r) => `AKIA${r.of(BASE32, 16)}`),
  token("aws access key, temporary", (r) => `ASIA${r.of(BASE32, 16)}`),
  within("aws secret key", (r) => ["AWS_SECRET_ACCESS_KEY=", r.of(`${ALNUM}/+`, 39) + r.of(ALNUM, 1), "\n"]),
  within("aws secret key, in JSON", (r) => [
    '{"secretAccessKey":"',
    r.of(`${ALNUM}/+`, 39) + r.of(ALNUM, 1),
    '","region":"eu-west-1"}',
  ]),
  token("github, classic", (r) => `ghp_${r.of(ALNUM, 36)}`),
  token("github, oauth", (r) => `gho_${r.of(ALNUM, 36)}`),
  token("github, app", (r) => `ghs_${r.of(ALNUM, 36)}`),
  token("github, fine-grained", (r) => `github_pat_${r.of(ALNUM, 22)}_${r.of(ALNUM, 59)}`),
  token("gitlab, personal", (r) => `glpat-${r.of(URL64, 19)}${r.of(ALNUM, 1)}`),
  token("gitlab, runner", (r) => `glrt-${r.of(URL64, 19)}${r.of(ALNUM, 1)}`),
  token("slack, bot", (r) => `xoxb-${r.of(DIGITS, 12)}-${r.of(DIGITS, 13)}-${r.of(ALNUM, 24)}`),
  token(
    "slack, user",
    (r) => `xoxp-${r.of(DIGITS, 12)}-${r.of(DIGITS, 12)}-${r.of(DIGITS, 13)}-${r.of(HEX, 32)}`,
  ),
  token("slack, app", (r) => `xapp-1-A${r.of(UPPER + DIGITS, 10)}-${r.of(DIGITS, 13)}-${r.of(HEX, 40)}`),
  token("slack, refresh", (r) => `xoxe-1-${r.of(ALNUM, 140)}`),
  token(
    "slack, webhook",
    (r) =>
      `https://hooks.slack.com/services/T${r.of(UPPER + DIGITS, 10)}/B${r.of(UPPER + DIGITS, 10)}/${r.of(ALNUM, 24)}`,
  ),
  token("stripe, live", (r) => `sk_live_${r.of(ALNUM, 24)}`),
  token("stripe, long", (r) => `sk_test_${r.of(ALNUM, 99)}`),
  token("stripe, restricted", (r) => `rk_live_${r.of(ALNUM, 99)}`),
  token("stripe, webhook", (r) => `whsec_${r.of(ALNUM, 32)}`),
  token("openai, project", (r) => `sk-proj-${r.of(URL64, 74)}T3BlbkFJ${r.of(URL64, 73)}${r.of(ALNUM, 1)}`),
  token("openai, service", (r) => `sk-svcacct-${r.of(URL64, 74)}T3BlbkFJ${r.of(URL64, 73)}${r.of(ALNUM, 1)}`),
  token("openai, old", (r) => `sk-${r.of(ALNUM, 20)}T3BlbkFJ${r.of(ALNUM, 20)}`),
  token("anthropic", (r) => `sk-ant-api03-${r.of(URL64, 93)}AA`),
  token("anthropic, admin", (r) => `sk-ant-admin01-${r.of(URL64, 93)}AA`),
  token("anthropic, oauth", (r) => `sk-ant-oat01-${r.of(URL64, 93)}AA`),
  token("openrouter", (r) => `sk-or-v1-${r.of(HEX, 64)}`),
  token("deepseek", (r) => `sk-${r.of(HEX, 32)}`),
  token("groq", (r) => `gsk_${r.of(ALNUM, 52)}`),
  token("hugging face", (r) => `hf_${r.of(LETTERS, 34)}`),
  token("replicate", (r) => `r8_${r.of(ALNUM, 37)}`),
  token("perplexity", (r) => `pplx-${r.of(ALNUM, 48)}`),
  token("xai", (r) => `xai-${r.of(ALNUM, 80)}`),
  token("langsmith", (r) => `lsv2_pt_${r.of(HEX, 32)}_${r.of(HEX, 10)}`),
  token("google api", (r) => `AIza${r.of(URL64, 34)}${r.of(ALNUM, 1)}`),
  token("google oauth secret", (r) => `GOCSPX-${r.of(URL64, 27)}${r.of(ALNUM, 1)}`),
  token("google access", (r) => `ya29.${r.of(URL64, 180)}${r.of(ALNUM, 1)}`),
  token("npm", (r) => `npm_${r.of(ALNUM, 36)}`),
  within("npm, in .npmrc", (r) => ["//npm.example.test/:_authToken=", `npm_${r.of(ALNUM, 36)}`, "\n"]),
  token("pypi", (r) => `pypi-AgEIcHlwaS5vcmc${r.of(URL64, 150)}${r.of(ALNUM, 1)}`),
  token("rubygems", (r) => `rubygems_${r.of(HEX, 48)}`),
  token("crates.io", (r) => `cio${r.of(ALNUM, 32)}`),
  token("docker", (r) => `dckr_pat_${r.of(URL64, 26)}${r.of(ALNUM, 1)}`),
  token("sendgrid", (r) => `SG.${r.of(URL64, 22)}.${r.of(URL64, 42)}${r.of(ALNUM, 1)}`),
  token("twilio", (r) => `SK${r.of(HEX, 32)}`),
  token("mailgun", (r) => `key-${r.of(HEX, 32)}`),
  token("mailgun, new", (r) => `${r.of(HEX, 32)}-${r.of(HEX, 8)}-${r.of(HEX, 8)}`),
  token("mailchimp", (r) => `${r.of(HEX, 32)}-us${r.between(1, 21)}`),
  within("azure storage", (r) => [
    `DefaultEndpointsProtocol=https;AccountName=${r.of(LOWER, 10)};AccountKey=`,
    `${r.of(BASE64, 86)}==`,
    ";EndpointSuffix=core.windows.net",
  ]),
  within("azure service bus", (r) => [
    `Endpoint=sb://${r.of(LOWER, 8)}.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=`,
    `${r.of(BASE64, 43)}=`,
    "",
  ]),
  token("azure client secret", (r) => `${r.of(ALNUM, 3)}8Q~${r.of(`${ALNUM}_~.-`, 33)}${r.of(ALNUM, 1)}`),
  within("azure sas", (r) => [
    `https://${r.of(LOWER, 8)}.blob.core.windows.net/c/f?sv=2024-11-04&sp=r&sig=`,
    `${r.of(ALNUM, 43)}%3D`,
    "",
  ]),
  token("jwt", (r) => {
    const claims = {
      sub: r.of(DIGITS, 10),
      iat: r.between(1_600_000_000, 1_800_000_000),
      scope: r.of(LOWER, 12),
    };
    return `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url(claims)}.${r.of(URL64, 43)}`;
  }),
  within("bearer", (r) => [
    "curl -H 'Authorization: Bearer ",
    `${r.of(ALNUM, 39)}7`,
    "' https://api.host.io",
  ]),
  within("basic", (r) => [
    "Authorization: Basic ",
    Buffer.from(`svc7:${r.of(ALNUM, 18)}`).toString("base64"),
    "\r\nHost: x",
  ]),
  within("private key, rsa", (r) => ["here it is:\n", pem(r, "RSA PRIVATE KEY", "MIIE"), "\nthanks"]),
  within("private key, pkcs8", (r) => ["", pem(r, "PRIVATE KEY", "MIIE"), "\n"]),
  within("private key, ec", (r) => ["", pem(r, "EC PRIVATE KEY", "MHcC"), "\n"]),
  within("private key, openssh", (r) => [
    "",
    pem(r, "OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAA"),
    "\n",
  ]),
  within("private key, with a passphrase", (r) => ["", pem(r, "ENCRYPTED PRIVATE KEY", "MIIF"), "\n"]),
  within("private key, old headers", (r) => [
    "",
    pem(
      r,
      "RSA PRIVATE KEY",
      "MIIE",
      "\n",
      `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,${r.of(HEX, 32)}\n\n`,
    ),
    "\n",
  ]),
  within("private key, in one line", (r) => ['key = "', pem(r, "PRIVATE KEY", "MIIE", "\\n"), '"']),
  within("private key, pgp", (r) => [
    "",
    pem(r, "PGP PRIVATE KEY BLOCK", "lQdG", "\n", "Version: GnuPG v2\n\n"),
    "",
  ]),
  token("age", (r) => `AGE-SECRET-KEY-1${r.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)}`),
  within("database url", (r) => [`postgres://app:`, r.of(`${ALNUM}!$`, 18), `@db.host.io:5432/app`]),
  within("database url, mongodb", (r) => [
    `mongodb+srv://app:`,
    r.of(ALNUM, 18),
    `@c0.abc.mongodb.net/?w=majority`,
  ]),
  within("database url, redis", (r) => [`REDIS_URL=redis://:`, r.of(ALNUM, 32), `@10.0.0.5:6379/0`]),
  within("database url, @ in it", (r) => [
    `mysql://root:`,
    `${r.of(ALNUM, 8)}@${r.of(ALNUM, 6)}`,
    `@db:3306/shop`,
  ]),
  within("url with a password", (r) => [`https://deploy:`, r.of(`${ALNUM}.~`, 16), `@git.host.io/app.git`]),
  within("assigned password", (r) => ['DB_PASSWORD="', `${r.of(ALNUM, 10)}!aB3`, '"']),
  within("assigned client secret", (r) => ["client_secret: ", `${r.of(ALNUM, 37)}aB3`, "\n"]),
  within("password property", (r) => ['{"user":"app","password":"', r.of(ALNUM, 12), '"}']),
  token("shopify", (r) => `shpat_${r.of(HEX, 32)}`),
  token("digitalocean", (r) => `dop_v1_${r.of(HEX, 64)}`),
  token("telegram", (r) => `${r.between(100_000_000, 9_999_999_999)}:AA${r.of(URL64, 32)}${r.of(ALNUM, 1)}`),
  token("discord", (r) => `M${r.of(ALNUM, 25)}.${r.of(ALNUM, 6)}.${r.of(URL64, 37)}${r.of(ALNUM, 1)}`),
  token(
    "discord, webhook",
    (r) => `https://discord.com/api/webhooks/${r.of("123456789", 18)}/${r.of(URL64, 68)}`,
  ),
  token("databricks", (r) => `dapi${r.of(HEX, 32)}`),
  token("linear", (r) => `lin_api_${r.of(ALNUM, 40)}`),
  token("notion", (r) => `ntn_${r.of(DIGITS, 11)}${r.of(ALNUM, 35)}`),
  token("notion, old", (r) => `secret_${r.of(ALNUM, 43)}`),
  token("atlassian", (r) => `ATATT3xFfGF0${r.of(URL64, 170)}=${r.of(HEX.toUpperCase(), 8)}`),
  token("airtable", (r) => `pat${r.of(ALNUM, 14)}.${r.of(HEX, 64)}`),
  token("figma", (r) => `figd_${r.of(URL64, 39)}${r.of(ALNUM, 1)}`),
  token("grafana", (r) => `glsa_${r.of(ALNUM, 32)}_${r.of(HEX, 8)}`),
  token("hashicorp vault", (r) => `hvs.${r.of(URL64, 94)}${r.of(ALNUM, 1)}`),
  token("terraform", (r) => `${r.of(ALNUM, 14)}.atlasv1.${r.of(ALNUM, 67)}`),
  token("new relic", (r) => `NRAK-${r.of(UPPER + DIGITS, 27)}`),
  token("postman", (r) => `PMAK-${r.of(HEX, 24)}-${r.of(HEX, 34)}`),
  token("sentry", (r) => `sntryu_${r.of(HEX, 64)}`),
  token("square", (r) => `sq0csp-${r.of(URL64, 42)}${r.of(ALNUM, 1)}`),
  token("supabase", (r) => `sbp_${r.of(HEX, 40)}`),
  token("planetscale", (r) => `pscale_tkn_${r.of(URL64, 42)}${r.of(ALNUM, 1)}`),
  token("doppler", (r) => `dp.pt.${r.of(ALNUM, 43)}`),
  token("vercel", (r) => `vcp_${r.of(ALNUM, 56)}`),
  token("netlify", (r) => `nfp_${r.of(ALNUM, 36)}`),
  // What has no form of its own: found only where it is called a secret.
  token("twilio auth token, bare", (r) => r.of(HEX, 32)),
  token("aws secret key, bare", (r) => r.of(`${ALNUM}/+`, 40)),
  within("password in a sentence", (r) => ["The password is ", r.of(ALNUM, 12), " I think."]),
];
