import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Mask } from "../../src/secrets/mask.ts";
import { secretsAmong, secretsInUrl, secretsInWords } from "../../src/secrets/secret-values.ts";

const text = fc.string({ unit: "binary", maxLength: 300 });
const secret = fc.string({ unit: "grapheme-ascii", minLength: 8, maxLength: 90 });

describe("A mask", () => {
  it("finds a secret wherever it stands, in each spelling", () => {
    const spellings: ((value: string) => string)[] = [
      (value) => value,
      (value) => JSON.stringify(value).slice(1, -1),
      encodeURIComponent,
      (value) => Buffer.from(value).toString("base64").replace(/=*$/, ""),
      (value) => Buffer.from(`ab${value}`).toString("base64url"),
      (value) => Buffer.from(`a${value}cd`).toString("base64"),
    ];
    fc.assert(
      fc.property(
        text,
        secret,
        text,
        fc.constantFrom(...spellings),
        (before, value, after, spell) => {
          const mask = new Mask([{ value }, { value: "another one, which is not there" }]);
          expect(mask.isIn(before + spell(value) + after)).toBe(true);
          expect(mask.text(`${before}${spell(value)}${after}`)).toContain("[secret]");
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("leaves alone what has none, and gives the same value back", () => {
    const mask = new Mask([{ value: "sk-1234567890abcdef" }, { value: "pass word" }]);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(mask.json(value)).toBe(value);
      }),
    );
    expect(mask.json({ a: ["sk-1234567890abcdef", 1], b: null })).toEqual({
      a: ["[secret]", 1],
      b: null,
    });
    expect(new Mask([{ value: "short" }]).text("a short word")).toBe("a short word");
  });

  it("finds one however deep it is, without the stack", () => {
    const mask = new Mask([{ value: "sk-1234567890abcdef" }]);
    const nested = (inmost: string) => {
      let value: unknown = inmost;
      for (let level = 0; level < 20_000; level++)
        value = level % 2 === 0 ? [value] : { in: value };
      return value;
    };
    let left = mask.json(nested("a sk-1234567890abcdef"));
    while (typeof left === "object" && left !== null) [left] = Object.values(left);
    expect(left).toBe("a [secret]");
  });

  it("knows every key of the proxy, and not what is shown of one", () => {
    const mask = new Mask([]);
    expect(mask.text(`key sk-proxy-${"a1_-".repeat(11)}!`)).toBe("key [secret]!");
    expect(mask.text("key sk-proxy-abcdefg…")).toBe("key sk-proxy-abcdefg…");
  });

  it("shows the longest of two that overlap, under its own name", () => {
    const mask = new Mask([
      { value: "abcdefgh" },
      { value: "Bearer abcdefgh", shown: "[authorization]" },
    ]);
    expect(mask.text("Bearer abcdefgh, abcdefgh")).toBe("[authorization], [secret]");
  });
});

describe("Of what an operator gave, secrets are", () => {
  const valuesOf = (values: Record<string, string>) =>
    secretsAmong(values).map(({ value }) => value);

  it.each([
    ["Authorization", "Bearer abcdefghijk", ["Bearer abcdefghijk", "abcdefghijk"]],
    ["authorization", `Basic ${btoa("user:pass-word")}`, ["pass-word"]],
    ["X-Whatever", "k3y-without-a-name", ["k3y-without-a-name"]],
    ["DATABASE_URL", "postgres://me:p4ss-word@db/x", ["p4ss-word"]],
    ["API_KEY", "onlyletters", ["onlyletters"]],
    ["PRIVATE_PATH_TOKEN", "/looks/like/a/path", ["/looks/like/a/path"]],
  ])("%s: %s", (name, value, expected) => {
    expect(valuesOf({ [name]: value })).toEqual(expect.arrayContaining(expected));
  });

  it.each([
    ["NODE_ENV", "production"],
    ["ROOT", "/srv/data1/projects"],
    ["ALLOWED", "~/documents/2026"],
    ["Accept", "application/json"],
    ["GITHUB_OWNER", "octo-cat-99"],
    ["DB_NAME", "inventory2026"],
    ["JIRA_EMAIL", "someone@example.com"],
    ["API_HOST", "api.example.com:8443"],
    ["BASE", "https://example.com/v1"],
    ["SINCE", "2026-11-27 10:00"],
    ["X-Workspace", "acme-2026"],
    ["SHORT_KEY", "1234567"],
  ])("not %s: %s", (name, value) => {
    expect(valuesOf({ [name]: value })).toEqual([]);
  });

  it("passwords, parameters and tokens in an address, and options of a command", () => {
    const address =
      "https://u:p%40ssword@h.example/s/abcdef0123456789abcdef/mcp?api_key=abcdefgh&page=twelve12";
    expect(secretsInUrl(address)).toEqual(
      expect.arrayContaining(["p@ssword", "p%40ssword", "abcdef0123456789abcdef", "abcdefgh"]),
    );
    expect(secretsInUrl("https://example.com/mcp?page=second")).toEqual([]);
    const words = ["server", "--api-key", "abcdefgh", "--token=ijklmnop", "--dir", "/some/where"];
    expect(secretsInWords(words).map(({ value }) => value)).toEqual(["abcdefgh", "ijklmnop"]);
  });
});
