/** Secrets that are like no others, and where they turn up. */
import { randomBytes } from "node:crypto";

/**
 * A secret of which every piece is its own; with characters that JSON, URLs and base64 spell
 * otherwise.
 */
export const canary = (name: string): string =>
  `c4n4ry-${name}-${randomBytes(12).toString("base64url")}+/&=`;

/** The same, of characters that stand as they are in an address. */
export const plainCanary = (name: string): string =>
  `c4n4ry-${name}-${randomBytes(15).toString("hex")}`;

const escaped = (text: string) => JSON.stringify(text).slice(1, -1);

/** What of base64 is the same wherever the text stands in it. */
function inBase64(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.from("x".repeat(before) + text).toString("base64");
    return encoded.slice(4, -4);
  });
}

/** In how many ways a text may be spelled. */
function spellings(secret: string): string[] {
  const base64 = inBase64(secret);
  return [
    secret,
    escaped(secret),
    escaped(escaped(secret)),
    encodeURIComponent(secret),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}

/** A secret as somebody who wants to give it away may spell it. */
export const repeated = (secret: string): string =>
  [
    secret,
    `"${escaped(secret)}"`,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64"),
    Buffer.from(`user:${secret}`).toString("base64url"),
  ].join(" ");

/** Looks for secrets in what has left, and remembers where each was found. */
export class CanaryWatch {
  readonly found: string[] = [];
  readonly #secrets: [string, string[]][];

  /** @param secrets by what they are */
  constructor(secrets: Record<string, string>) {
    this.#secrets = Object.entries(secrets).map(([name, value]) => [name, spellings(value)]);
  }

  look(where: string, text: string): void {
    for (const [name, forms] of this.#secrets) {
      const form = forms.find((one) => text.includes(one));
      if (form === undefined) continue;
      const at = text.indexOf(form);
      this.found.push(`${name} in ${where}: …${text.slice(Math.max(0, at - 60), at + 60)}…`);
    }
  }
}
