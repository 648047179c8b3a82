import { describe, expect, it } from "vitest";
import { createOnce, createTurnstile } from "../../src/node/wait-for-one-another.ts";

describe("work that several requests want at the same time", () => {
  it("is done once for all of them, and again for who comes later", async () => {
    const once = createOnce();
    let done = 0;
    const work = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return ++done;
    };
    expect(await Promise.all([once("a", work), once("a", work), once("b", work)])).toEqual([
      1, 1, 2,
    ]);
    expect(await once("a", work)).toBe(3);
  });

  it("fails for all who waited, and is tried again for the next", async () => {
    const once = createOnce();
    const failing = async () => Promise.reject(new Error("down"));
    const ends = await Promise.allSettled([once("a", failing), once("a", failing)]);
    expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await once("a", async () => "up")).toBe("up");
  });
});

describe("a turnstile", () => {
  it("lets through who waits when it is opened, and who gives up", async () => {
    const gate = createTurnstile();
    const [first, second, third] = [1, 2, 3].map(() => new AbortController());
    const passed: string[] = [];
    const wait = (name: string, signal = new AbortController().signal) =>
      gate.pass(signal).then(() => passed.push(name));
    const waiting = [wait("first", first?.signal), wait("second", second?.signal)];
    first?.abort();
    await waiting[0];
    expect(passed).toEqual(["first"]);
    gate.open();
    await waiting[1];
    third?.abort();
    await wait("third", third?.signal);
    expect(passed).toEqual(["first", "second", "third"]);
  });
});
