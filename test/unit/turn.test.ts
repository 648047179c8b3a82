/** How a turn ends, whoever ends it. */
import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/openai/api-error.ts";
import { UpstreamRefusal, UpstreamStreamError } from "../../src/openai/upstream-error.ts";
import type { TurnObserver } from "../../src/record/turn-observer.ts";
import { Turn } from "../../src/turn/turn.ts";

const openedTurn = (observers: TurnObserver[] = []): Turn =>
  new Turn({
    id: crypto.randomUUID(),
    endpoint: "/v1/chat/completions",
    apiKey: { id: "k", name: "k", logContent: "full" },
    startedAt: Date.now(),
    observers,
  });

const refusal = new UpstreamRefusal(
  { status: 418, headers: {}, body: null },
  { error: { message: "No coffee", code: "teapot" } },
);
const unreachable = new ApiError("upstream_unreachable", "Nobody is there");
const wrong = new ApiError("bad_request", "Wrong");

const ENDS: [string, Error, "asked" | "not asked", [string, number, string | null]][] = [
  ["our no before upstream was asked", wrong, "not asked", ["refused", 400, wrong.body.error.code]],
  ["our no when upstream was asked", wrong, "asked", ["failed", 400, wrong.body.error.code]],
  ["a failure of ours", unreachable, "not asked", ["failed", 502, "upstream_unreachable"]],
  ["upstream's no", refusal, "asked", ["failed", 418, "teapot"]],
  [
    "an error inside upstream's stream",
    new UpstreamStreamError({ message: "Busy", code: "overloaded" }),
    "asked",
    ["failed", 500, "overloaded"],
  ],
  ["what nobody foresaw", new TypeError("x"), "asked", ["failed", 500, "internal_error"]],
];

describe("the record of a turn", () => {
  it.each(ENDS)("has for %s its status and its code", (_title, error, asked, expected) => {
    const turn = openedTurn();
    if (asked === "asked") turn.roundBegan("https://upstream.example/v1");
    void turn.endedBy(error, false);
    const { status, httpStatus, errorCode, error: words } = turn.record;
    expect([status, httpStatus, errorCode]).toEqual(expected);
    expect(words).toBe(error.message);
  });

  it("has the status that the client saw, where the answer had begun", () => {
    const turn = openedTurn();
    void turn.endedBy(unreachable, false, 200);
    expect(turn.record).toMatchObject({ status: "failed", httpStatus: 200 });
  });

  it("blames nobody where the client has gone away", () => {
    const turn = openedTurn();
    void turn.endedBy(unreachable, true);
    expect(turn.record).toMatchObject({ status: "cancelled", error: null, errorCode: null });
  });

  it("has the time to the first token, and not to a later one", async () => {
    const turn = openedTurn();
    turn.firstToken();
    const first = turn.record.timeToFirstTokenMs;
    await new Promise((resolve) => setTimeout(resolve, 20));
    turn.firstToken();
    expect(turn.record.timeToFirstTokenMs).toBe(first);
  });

  it("takes along what of the turn could not be kept at once", () => {
    const turn = openedTurn();
    const hidden = { lookups: ["a"], messages: "[]", expiresAt: 1 };
    turn.keepsHidden(hidden);
    expect(turn.record.hiddenRounds).toEqual(hidden);
  });
});

describe("those who hear of a turn", () => {
  it("hear of its end once, in their order, and the first cause is the one on record", () => {
    const heard: string[] = [];
    const observers = ["limits", "record"].map((name) => ({
      ended: () => void heard.push(name),
    }));
    const turn = openedTurn(observers);
    void turn.ended({ status: "completed" });
    void turn.endedBy(unreachable, false);
    expect(heard).toEqual(["limits", "record"]);
    expect(turn.record).toMatchObject({ status: "completed", httpStatus: 200, error: null });
  });

  it("are waited for, each of them", async () => {
    let isKept = false;
    const keep = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      isKept = true;
    };
    await openedTurn([{ ended: keep }, { ended: () => {} }]).ended({ status: "completed" });
    expect(isKept).toBe(true);
  });
});
