import { describe, expect, it } from "vitest";
import { createSeal, SealError } from "../../src/store/seal.ts";

const text = "sk-upstream ✓ \0 " + "x".repeat(200_000);

describe("a sealed secret", () => {
  it("opens with the secret that it was sealed with, in another process too", async () => {
    const sealed = await createSeal("secret").seal(text);
    expect(await createSeal("secret").open(sealed)).toBe(text);
    expect(await createSeal("secret").open(await createSeal("secret").seal(""))).toBe("");
  });

  it("shows nothing of the text, and never looks the same twice", async () => {
    const seal = createSeal("secret");
    const [first, second] = [await seal.seal("sk-upstream"), await seal.seal("sk-upstream")];
    expect(first).toMatch(/^v1\.[\w-]{8}\.[\w-]+$/);
    expect(first).not.toBe(second);
    expect(
      atob(first.split(".")[2]?.replaceAll("-", "+").replaceAll("_", "/") ?? ""),
    ).not.toContain("sk-upstream");
  });

  it("says that the secret has changed, when it has", async () => {
    const sealed = await createSeal("the old secret").seal("sk-upstream");
    const failure = createSeal("a new secret").open(sealed);
    await expect(failure).rejects.toBeInstanceOf(SealError);
    await expect(failure).rejects.toThrow(/another ENCRYPTION_KEY/);
  });

  it("does not open when a character of it was changed, or when it is no sealed text at all", async () => {
    const seal = createSeal("secret");
    const sealed = await seal.seal("sk-upstream");
    const changed = sealed.replace(/.(?=.{4}$)/, (character) => (character === "A" ? "B" : "A"));
    await expect(seal.open(changed)).rejects.toThrow(/damaged/);
    await expect(seal.open(sealed.slice(0, 20))).rejects.toThrow(/damaged/);
    for (const none of ["", "sk-upstream", "v2.a.b"])
      await expect(seal.open(none)).rejects.toThrow(/format/);
  });

  it("seals many at the same time", async () => {
    const seal = createSeal("secret");
    const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`);
    expect(await Promise.all((await Promise.all(texts.map(seal.seal))).map(seal.open))).toEqual(
      texts,
    );
  });
});
