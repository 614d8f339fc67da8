/** What looks like a credential and is none. */
import type { Random } from "./random.ts";
import { ALNUM, BASE64, DIGITS, HEX, LOWER, UPPER } from "./random.ts";

export interface LookAlike {
  readonly kind: string;
  readonly make: (random: Random) => string;
}

const uuid = (r: Random): string =>
  `${r.of(HEX, 8)}-${r.of(HEX, 4)}-4${r.of(HEX, 3)}-a${r.of(HEX, 3)}-${r.of(HEX, 12)}`;
const word = (r: Random): string => r.of(LOWER, r.between(3, 9));

export const LOOK_ALIKES: readonly LookAlike[] = [
  { kind: "uuid", make: (r) => `request ${uuid(r)} took ${r.between(1, 900)} ms` },
  { kind: "git sha", make: (r) => `commit ${r.of(HEX, 40)}\n\nFix the ${word(r)}` },
  { kind: "sha-256", make: (r) => `sha256:${r.of(HEX, 64)}  dist.tar.gz` },
  { kind: "integrity", make: (r) => `"integrity": "sha512-${r.of(BASE64, 86)}=="` },
  { kind: "base64 image", make: (r) => `data:image/png;base64,iVBORw0KGgo${r.of(BASE64, 3000)}==` },
  { kind: "base64", make: (r) => r.of(BASE64, 4000) },
  { kind: "etag", make: (r) => `ETag: "${r.of(HEX, 32)}-${r.between(1, 40)}"` },
  { kind: "order number", make: (r) => `order ${r.of(UPPER, 3)}-${r.of(DIGITS, 8)} of ${r.of(DIGITS, 10)}` },
  { kind: "hex colours", make: (r) => `color: #${r.of(HEX, 6)}; background: #${r.of(HEX, 8)}` },
  { kind: "isbn", make: (r) => `ISBN 978-3-16-${r.of(DIGITS, 6)}-${r.of(DIGITS, 1)}` },
  {
    kind: "time",
    make: (r) =>
      `at ${r.between(1_600_000_000_000, 1_800_000_000_000)}, 2026-11-${r.between(10, 30)}T10:11:12.345Z`,
  },
  {
    kind: "version",
    make: (r) => `${word(r)}@${r.between(1, 30)}.${r.between(0, 99)}.${r.between(0, 99)}-rc.1 and v1.2.3.4`,
  },
  { kind: "sample key, dots", make: () => `OPENAI_API_KEY=${"sk"}-... and ${"sk-ant"}-...` },
  {
    kind: "sample key, words",
    make: (r) => `api_key = "YOUR_API_KEY_${r.of(UPPER, 4)}" # <your-token-here>`,
  },
  { kind: "sample key, x", make: () => `token: ghp_${"x".repeat(36)} / sk_test_${"X".repeat(24)}` },
  {
    kind: "sample key, of AWS",
    make: () => `AKIA${"IOSFODNN7"}EXAMPLE and ${"wJalrXUtnFEMI/K7MDENG"}/bPxRfiCYEXAMPLEKEY`,
  },
  {
    kind: "variable",
    make: (r) => `password: \${DB_PASSWORD}, token = process.env.GITHUB_TOKEN_${r.of(UPPER, 3)}`,
  },
  {
    kind: "template url",
    make: (r) => `postgres://\${USER}:\${PASSWORD}@${word(r)}:5432/app and https://<user>:<password>@host.io`,
  },
  {
    kind: "url",
    make: (r) => `https://${word(r)}.io:8080/a/${r.of(ALNUM, 22)}?id=${r.of(ALNUM, 11)}&t=12:30`,
  },
  {
    kind: "mail and handle",
    make: (r) => `ssh://git@github.com/${word(r)}/${word(r)}.git @scope/${word(r)}`,
  },
  {
    kind: "minified code",
    make: (r) =>
      `!function(e,t){var n=t(${r.between(1, 99)});e.exports=n.${word(r)}||{${word(r)}:"${r.of(ALNUM, 12)}"}}(e,t);`,
  },
  {
    kind: "css class",
    make: (r) => `.css-${r.of(LOWER + DIGITS, 8)}{--tw-shadow:0 0 #0000} sk-${word(r)}-${word(r)}`,
  },
  {
    kind: "public key",
    make: (r) => `-----BEGIN PUBLIC KEY-----\n${r.of(BASE64, 64)}\n-----END PUBLIC KEY-----`,
  },
  {
    kind: "ssh public key",
    make: (r) => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${r.of(BASE64, 43)} me@laptop`,
  },
  {
    kind: "certificate",
    make: (r) => `-----BEGIN CERTIFICATE-----\nMIID${r.of(BASE64, 60)}\n-----END CERTIFICATE-----`,
  },
  { kind: "key in words", make: () => "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----" },
  {
    kind: "tokens of a model",
    make: (r) => `{"max_tokens":${r.between(100, 9000)},"token_type":"bearer","tokenizer":"cl100k_base"}`,
  },
  {
    kind: "call id",
    make: (r) => `call_${r.of(ALNUM, 24)} toolu_01${r.of(ALNUM, 22)} msg_${r.of(ALNUM, 24)}`,
  },
  {
    kind: "stripe ids",
    make: (r) => `cus_${r.of(ALNUM, 14)} pi_${r.of(ALNUM, 24)} pk_live_${r.of(ALNUM, 24)}`,
  },
  {
    kind: "path",
    make: (r) => `/home/${word(r)}/secrets/token_${word(r)}.json: password.ts:${r.between(1, 400)}`,
  },
  {
    kind: "aws arn",
    make: (r) => `arn:aws:iam::${r.of("123456789", 12)}:role/${word(r)} account: ${r.of("123456789", 12)}`,
  },
  {
    kind: "ulid",
    make: (r) => `01${r.of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)} V1StGXR8_Z5jdHi6B-${word(r)}`,
  },
  {
    kind: "prose",
    make: (r) => `The password must be changed; a token: use one per user. Secret: ${word(r)} ${word(r)}.`,
  },
  { kind: "kubernetes name", make: (r) => `secretName: ${word(r)}-${word(r)}-tls-v${r.between(2, 9)}` },
  {
    kind: "code",
    make: (r) =>
      `const token = await getToken(${word(r)}); if (secret === undefined) throw new Error("no secret");`,
  },
  { kind: "ethereum address", make: (r) => `0x${r.of(HEX, 40)} paid ${r.between(1, 99)} ETH` },
  { kind: "hashed password", make: (r) => `digest md5 ${r.of(HEX, 32)} ${r.of(HEX, 8)}` },
  { kind: "float", make: (r) => `[0.${r.of(DIGITS, 16)},-0.${r.of(DIGITS, 16)},1.${r.of(DIGITS, 15)}e-7]` },
];
