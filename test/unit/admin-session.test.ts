import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { requireSession, signIn, signInFailures } from "../../src/auth/admin-session.ts";
import { readConfig } from "../../src/config/read-config.ts";
import { Memory } from "../../src/memory.ts";

const PASSWORD = "the right one";
const config = readConfig({ JWT_SECRET: "one secret", ADMIN_PASSWORD: PASSWORD });
const MINUTE = 60_000;

/** Signs in at one proxy, from any address. */
function door() {
  const memory = new Memory();
  const attempt = async (address: string, password: string) => {
    try {
      return { status: 200, ...(await signIn({ config, memory }, { address, password })) };
    } catch (error) {
      return { status: (error as { status: number }).status, token: "" };
    }
  };
  const fail = async (address: string, times: number) => {
    for (let count = 0; count < times; count++)
      expect((await attempt(address, "wrong")).status).toBe(401);
  };
  const knock = async (address: string) => (await attempt(address, PASSWORD)).status;
  return {
    attempt,
    fail,
    knock,
    counted: () => signInFailures.of(memory).size,
  };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

describe("an operator who mistyped the password", () => {
  it("may try again five minutes after the first of ten mistakes", async () => {
    const { fail, knock } = door();
    await fail("192.0.2.1", 10);
    expect(await knock("192.0.2.1")).toBe(429);
    vi.advanceTimersByTime(5 * MINUTE - 1);
    expect(await knock("192.0.2.1")).toBe(429);
    vi.advanceTimersByTime(1);
    expect(await knock("192.0.2.1")).toBe(200);
  });

  it("is counted by the IPv4 address, however it is written, and by the /64 of an IPv6 address", async () => {
    const { fail, knock } = door();
    await fail("::ffff:192.0.2.1", 10);
    expect(await knock("192.0.2.1")).toBe(429);
    expect(await knock("::ffff:192.0.2.2")).toBe(200);
    for (let host = 1; host <= 10; host++) await fail(`2001:db8:0:7::${host.toString(16)}`, 1);
    expect(await knock("2001:0DB8:0000:0007:ffff:1:2:3")).toBe(429);
    expect(await knock("2001:db8:0:8::1")).toBe(200);
    expect(await knock("::1")).toBe(200);
  });
});

describe("an attacker with many addresses", () => {
  it("cannot fill the proxy's memory", async () => {
    const { fail, counted } = door();
    for (let block = 0; block < 10_050; block++)
      await fail(`10.${block >> 16}.${(block >> 8) & 255}.${block & 255}`, 1);
    expect(counted()).toBe(10_000);
  });
});

describe("a session", () => {
  it("ends after twelve hours, and with the secret that signed it", async () => {
    const { token } = await door().attempt("192.0.2.1", PASSWORD);
    await requireSession(config, token);
    await expect(
      requireSession(readConfig({ JWT_SECRET: "another secret", ADMIN_PASSWORD: PASSWORD }), token),
    ).rejects.toMatchObject({
      status: 401,
    });
    vi.advanceTimersByTime(12 * 60 * MINUTE - 2000);
    await requireSession(config, token);
    vi.advanceTimersByTime(3000);
    await expect(requireSession(config, token)).rejects.toThrow(/expired/);
  });
});
