import { describe, expect, it, vi } from "vitest";
import { Memory } from "../../src/memory.ts";
import { ApiError } from "../../src/openai/api-error.ts";
import { UpstreamRefusal } from "../../src/openai/upstream-error.ts";
import { retryWait } from "../../src/turn/ask-upstream.ts";
import { knownForms } from "../../src/turn/known-forms.ts";

const refused = (status: number, headers: Record<string, string> = {}, code = "busy") =>
  new UpstreamRefusal({ status, headers, body: null }, { error: { message: "No", code } });

describe("the wait before a later round is tried again", () => {
  it("is twice as long each time, and there are three of them", () => {
    const waits = [1, 2, 3, 4].map((attempt) => retryWait(refused(503), attempt));
    expect(waits).toEqual([250, 500, 1000, null]);
  });

  it.each([
    ["retry-after-ms", { "retry-after-ms": "7", "retry-after": "2" }, 7],
    ["retry-after", { "retry-after": "2" }, 2000],
    ["retry-after, the longest that is waited for", { "retry-after": "30" }, 30_000],
    ["retry-after, longer than that", { "retry-after": "31" }, null],
    ["a date that has passed", { "retry-after": "Thu, 01 Jan 2026 00:00:00 GMT" }, 0],
    ["words that are no time", { "retry-after": "soon" }, 250],
    ["x-should-retry", { "x-should-retry": "false" }, null],
  ])("is what upstream says by %s", (_title, headers, wait) => {
    expect(retryWait(refused(429, headers), 1)).toBe(wait);
  });

  it("is until the date that upstream names", () => {
    const date = new Date(Date.now() + 10_000).toUTCString();
    const wait = retryWait(refused(503, { "retry-after": date }), 1);
    expect(wait).toBeGreaterThan(8000);
    expect(wait).toBeLessThanOrEqual(10_000);
  });

  it.each([
    ["a request that is wrong", refused(400), null],
    ["a credential that is", refused(401), null],
    ["a conflict", refused(409), 250],
    ["a quota that is used up", refused(429, {}, "insufficient_quota"), null],
    ["an upstream that nobody reaches", new ApiError("upstream_unreachable", "x"), 250],
    ["one that takes too long", new ApiError("upstream_timeout", "x"), 250],
    ["a no of ours", new ApiError("bad_request", "x"), null],
    ["what nobody foresaw", new TypeError("x"), null],
  ])("is there, or not, for %s", (_title, error, wait) => {
    expect(retryWait(error, 1)).toBe(wait);
  });
});

describe("what is known of an upstream", () => {
  const asked = { upstream: "https://a.example/v1", dialect: "chat", model: "m", traits: "" };

  it("is forgotten after an hour: it may be another by then", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const known = knownForms(new Memory(), asked);
      known.remember("maxTools", 5);
      vi.advanceTimersByTime(3_599_000);
      expect([known.has("maxTools"), known.valueOf("maxTools")]).toEqual([true, 5]);
      vi.advanceTimersByTime(2000);
      expect([known.has("maxTools"), known.valueOf("maxTools")]).toEqual([false, 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is known of this model at this upstream alone", () => {
    const memory = new Memory();
    knownForms(memory, asked).remember("withoutTools");
    expect(knownForms(memory, asked).has("withoutTools")).toBe(true);
    const others = [
      { upstream: "https://b.example/v1" },
      { dialect: "responses" },
      { model: "n" },
      { model: null },
    ];
    for (const other of others)
      expect(knownForms(memory, { ...asked, ...other }).has("withoutTools")).toBe(false);
  });
});
