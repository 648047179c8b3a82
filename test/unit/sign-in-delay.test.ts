import { describe, expect, it } from "vitest";
import { networksRemembered, queueAttempt } from "../../src/auth/sign-in-delay.ts";
import { ApiError } from "../../src/openai/api-error.ts";
import { Memory } from "../../src/memory.ts";
import { setClock } from "../helpers/set-clock.ts";

const MINUTE = 60_000;

/** Attempts at one proxy, from any address: how long each has to wait, or null where it may not. */
function door() {
  const memory = new Memory();
  const clock = setClock("2026-11-27T12:00:00Z");
  const told: string[] = [];
  const attempt = (address: string, deviceId: string | null = null) => {
    try {
      return queueAttempt({ memory, clock }, { address, deviceId }, () => told.push(address));
    } catch (error) {
      if (error instanceof ApiError && error.status === 429) return null;
      throw error;
    }
  };
  return {
    told,
    clock,
    knock: (address: string, deviceId?: string) => attempt(address, deviceId)?.waitMs ?? null,
    enter: (address: string) => attempt(address)?.forgive(),
    counted: () => networksRemembered(memory),
  };
}

const A = "192.0.2.1";

describe("somebody who mistypes the password", () => {
  it("waits longer with each mistake after five, and never longer than three seconds", () => {
    const { knock, clock } = door();
    const waits = Array.from({ length: 12 }, () => {
      const wait = knock(A);
      clock.pass(wait ?? 0);
      return wait;
    });
    expect(waits).toEqual([0, 0, 0, 0, 0, 250, 500, 1000, 2000, 3000, 3000, 3000]);
  });

  it("waits no more where they took their time", () => {
    const { knock, clock } = door();
    for (let mistake = 0; mistake < 30; mistake++) {
      expect(knock(A)).toBe(0);
      clock.pass(3000);
    }
  });

  it("starts afresh after the right one, and after five minutes", () => {
    const { knock, enter, clock } = door();
    for (let mistake = 0; mistake < 8; mistake++) clock.pass(knock(A) ?? 0);
    enter(A);
    expect([knock(A), knock(A)]).toEqual([0, 0]);
    for (let mistake = 0; mistake < 8; mistake++) clock.pass(knock(A) ?? 0);
    clock.pass(5 * MINUTE);
    expect([knock(A), knock(A), knock(A), knock(A), knock(A)]).toEqual([0, 0, 0, 0, 0]);
  });

  it("is not let in sooner, nor kept out longer, because the system's clock was set", () => {
    const { knock, clock } = door();
    for (let mistake = 0; mistake < 7; mistake++) clock.pass(knock(A) ?? 0);
    clock.set("2031-01-01T00:00:00Z");
    expect(knock(A)).toBe(1000);
    clock.set("2001-01-01T00:00:00Z");
    clock.pass(1000);
    expect(knock(A)).toBe(2000);
  });

  it("is counted by the IPv4 address, however it is written, and by the /64 of an IPv6 address", () => {
    const { knock } = door();
    for (let mistake = 0; mistake < 6; mistake++) knock("::ffff:192.0.2.1");
    expect(knock("192.0.2.1")).toBeGreaterThan(0);
    expect(knock("::ffff:192.0.2.2")).toBe(0);
    for (let host = 1; host <= 6; host++) knock(`2001:db8:0:7::${host.toString(16)}`);
    expect(knock("2001:0DB8:0000:0007:ffff:1:2:3")).toBeGreaterThan(0);
    expect(knock("2001:db8:0:8::1")).toBe(0);
    expect(knock("::1")).toBe(0);
  });
});

describe("an attacker", () => {
  it("who tries many at once gets no further, and after them the right password waits 3 s at most", () => {
    const { knock, clock, told } = door();
    const waits = Array.from({ length: 500 }, () => knock(A));
    const judged = waits.filter((wait) => wait !== null);
    expect(judged).toHaveLength(12);
    expect(Math.max(...judged)).toBeLessThanOrEqual(15_000);
    expect(told).toEqual([A]);
    clock.pass(15_000);
    expect(knock(A)).toBeLessThanOrEqual(3000);
    clock.pass(MINUTE);
    expect(knock(A)).toBe(0);
    knock(A);
    expect(told).toEqual([A, A]);
  });

  it("from the operator's own address does not keep out a browser that is known, which is slow by itself", () => {
    const { knock, clock } = door();
    for (let guess = 0; guess < 50; guess++) knock(A);
    expect(knock(A)).toBeNull();
    const waits = Array.from({ length: 7 }, () => {
      const wait = knock(A, "theirs");
      clock.pass(wait ?? 0);
      return wait;
    });
    expect(waits).toEqual([0, 0, 0, 0, 0, 250, 500]);
  });

  it("with many addresses cannot fill the proxy's memory", () => {
    const { knock, counted } = door();
    for (let block = 0; block < 10_050; block++)
      knock(`10.${block >> 16}.${(block >> 8) & 255}.${block & 255}`);
    expect(counted()).toBe(10_000);
  });

  it("with many addresses can have 200 attempts wait, and others still get in", () => {
    const { knock } = door();
    const waits = Array.from({ length: 300 }, (_, host) =>
      Array.from({ length: 6 }, () => knock(`198.51.100.${host}`)).at(-1),
    );
    expect(waits.filter((wait) => typeof wait === "number" && wait > 0)).toHaveLength(200);
    expect(knock(A)).toBe(0);
  });
});
