import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/openai/api-error.ts";
import {
  endpointOf,
  harmlessTarget,
  normaliseTarget,
  withNormalPath,
} from "../../src/routes/normalise-path.ts";

/** The normal form, or null where the target is refused. */
function normalOf(target: string): string | null {
  try {
    return normaliseTarget(target);
  } catch (error) {
    if (error instanceof ApiError && error.status === 400) return null;
    throw error;
  }
}

const RUNS = { numRuns: 2000 };

const PIECES = [
  "/",
  "//",
  ".",
  "..",
  "%2e",
  "%2E",
  "%2f",
  "%5c",
  "\\",
  "%",
  "%25",
  "%41",
  "a",
  "é",
];
const targets = fc.oneof(
  fc.array(fc.constantFrom(...PIECES, ";", "%3b", "2e", "2f", "5c", "?", "#", "v1", "%00")),
  fc.array(fc.string({ unit: "binary", maxLength: 3 })),
);
const paths = targets.map((pieces) => `/${pieces.join("")}`);

/** What a server that decodes once makes of it. */
const bytesOf = (path: string) =>
  path.replace(/%([0-9A-F]{2})/g, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );

const escapes = fc.array(fc.boolean(), { minLength: 1 });

/** The same path with some of its letters, and slashes, escaped or doubled. */
function spelled(path: string, odd: boolean[]): string {
  return path
    .split("")
    .map((character, index) => {
      if (!odd[index % odd.length]) return character;
      if (character === "/" && index % 2 === 0) return "//";
      return `%${character.charCodeAt(0).toString(16)}`;
    })
    .join("");
}

describe("the normal form of a path", () => {
  it("is one: to normalise it again changes nothing", () => {
    const isOne = (target: string) => {
      const normal = normalOf(target);
      return normal === null || normaliseTarget(normal) === normal;
    };
    const counterexample = fc.check(fc.property(paths, isOne), RUNS).counterexample;
    expect(counterexample).toBeNull();
  });

  it("of what is refused leads nowhere, whoever reads it, and is one", () => {
    fc.assert(
      fc.property(paths, (path) => {
        const harmless = harmlessTarget(`/v1${path}`);
        if (harmless === null) return;
        expect(normaliseTarget(harmless)).toBe(harmless);
        expect(new URL(`http://proxy.example${harmless}`).pathname).toBe(harmless);
        expect(bytesOf(harmless)).not.toMatch(/\.|\\/);
      }),
      RUNS,
    );
    expect(harmlessTarget("/v1/files/..%2fmodels?a")).toBe("/v1/files/%252E%252E%252fmodels");
    expect(harmlessTarget("/api/admin/..")).toBeNull();
  });

  it("means the same to every reader: no URL parser finds another path in it", () => {
    fc.assert(
      fc.property(paths, (target) => {
        const normal = normalOf(target)?.split("?", 1)[0];
        if (normal === undefined) return;
        expect(new URL(`http://proxy.example${normal}`).pathname).toBe(normal);
        expect(normal).toMatch(/^\/$|^(?:\/[\w.~!$&'()*+,;=:@%-]+)+$/);
        for (const segment of bytesOf(normal).split("/")) expect(segment).not.toMatch(/^\.\.?$|\\/);
      }),
      RUNS,
    );
  });

  it("is the same for all spellings of one plain path", () => {
    const plain = fc
      .array(fc.stringMatching(/^[a-zA-Z0-9_~-][\w.~-]{0,8}$/), { minLength: 1, maxLength: 4 })
      .map((segments) => `/${segments.join("/")}`);
    fc.assert(
      fc.property(plain, escapes, (path, odd) => {
        expect(normaliseTarget(path)).toBe(path);
        const start = spelled(path, odd).replace(/^%2f/, "/");
        for (const end of ["", "/", "//", "%2F"]) expect(normaliseTarget(start + end)).toBe(path);
      }),
    );
  });

  it("keeps a query as it is spelled, whatever the path", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const query = `?${text.replaceAll("#", "")}`;
        expect(normaliseTarget(`/v1//models/${query}`)).toBe(`/v1/models${query}`);
      }),
    );
  });
});

describe("a request with an odd path", () => {
  it("keeps its method, its headers, its body and its signal", async () => {
    const leaving = new AbortController();
    const request = new Request("http://proxy.example/v1//chat%2fcompletions/?a=%20", {
      method: "POST",
      headers: { "x-one": "1" },
      body: "the body",
      signal: leaving.signal,
    });
    const normal = withNormalPath(request);
    expect(normal.url).toBe("http://proxy.example/v1/chat/completions?a=%20");
    expect(endpointOf(normal.url)).toBe("/v1/chat/completions");
    expect([normal.method, normal.headers.get("x-one")]).toEqual(["POST", "1"]);
    expect(await normal.text()).toBe("the body");
    leaving.abort();
    expect(normal.signal.aborted).toBe(true);
  });

  it("is the same request where it is plain", () => {
    const request = new Request("http://proxy.example/v1/chat/completions?a=1");
    expect(withNormalPath(request)).toBe(request);
  });
});
