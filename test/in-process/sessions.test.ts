import { DrizzleQueryError } from "drizzle-orm/errors";
import { describe, expect, it } from "vitest";
import { createTestClock, startInProcess, type InProcessProxy } from "../helpers/in-process.ts";
import { chat } from "../helpers/own-proxy.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";

const HOUR = 3_600_000;

async function signIn({ url }: InProcessProxy, password = ADMIN_PASSWORD): Promise<string> {
  const answer = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password }),
  });
  return ((await answer.json()) as { token: string }).token;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const statusAt = async ({ url }: InProcessProxy, token: string) =>
  (await fetch(`${url}/api/admin/tools`, bearer(token))).status;
const signOut = ({ url }: InProcessProxy, token: string) =>
  fetch(`${url}/api/admin/logout`, { method: "POST", ...bearer(token) });

/** The proxy of these tests, whose database others share. */
function first(): InProcessProxy {
  if (here.inProcess === undefined) throw new Error("There is none");
  return here.inProcess;
}

const replica = (parts: Partial<InProcessProxy["platform"]> = {}) =>
  startInProcess({ database: first().platform.database, ...parts });

/** A database that can be cut off. */
function cuttable(database: InProcessProxy["platform"]["database"]) {
  const state = { isAway: false };
  const away = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const cut = new Proxy(database, {
    get: (target, name) => {
      if (state.isAway) throw new DrizzleQueryError("select", [], away);
      return Reflect.get(target, name, target) as unknown;
    },
  });
  return { database: cut, state };
}

describe("a session", () => {
  it("ends after twelve hours by the proxy's clock", async () => {
    const clock = createTestClock();
    const proxy = await replica({ clock });
    const token = await signIn(proxy);
    clock.pass(12 * HOUR - 5000);
    expect(await statusAt(proxy, token)).toBe(200);
    clock.pass(6000);
    expect(await statusAt(proxy, token)).toBe(401);
  });

  it("that was signed out of ends on every replica at once, and no other does", async () => {
    const other = await replica();
    const [token, theirs] = [await signIn(first()), await signIn(other)];
    expect([await statusAt(first(), token), await statusAt(other, token)]).toEqual([200, 200]);
    expect((await signOut(other, token)).status).toBe(204);
    expect([await statusAt(first(), token), await statusAt(other, token)]).toEqual([401, 401]);
    expect([await statusAt(first(), theirs), await statusAt(other, theirs)]).toEqual([200, 200]);
  });

  it.each([{ adminPassword: "another password of ours" }, { jwtSecret: "another secret, long" }])(
    "ends with the secrets that it began with: %o",
    async (changed) => {
      const token = await signIn(first());
      const restarted = await replica({ config: { ...first().platform.config, ...changed } });
      expect(await statusAt(restarted, token)).toBe(401);
    },
  );

  it("that was signed out of elsewhere ends what is followed live with it, and leaves others alone", async () => {
    const other = await replica();
    const [token, theirs] = [await signIn(first()), await signIn(first())];
    const follow = async (shown: string) => {
      const answer = await fetch(`${first().url}/api/admin/conversations/live`, bearer(shown));
      const state = { isOver: false };
      void answer.text().then(
        () => (state.isOver = true),
        () => {},
      );
      return state;
    };
    const [ended, kept] = [await follow(token), await follow(theirs)];
    await signOut(other, token);
    await expect.poll(() => ended.isOver).toBe(true);
    expect(kept.isOver).toBe(false);
    await signOut(other, theirs);
    await expect.poll(() => kept.isOver).toBe(true);
  });

  it("that was signed out of while the database was away ends here at once, elsewhere when it is back", async () => {
    const { database, state } = cuttable(first().platform.database);
    const [cutOff, other] = [await replica({ database }), await replica()];
    const [token, fresh] = [await signIn(cutOff), await signIn(cutOff)];
    state.isAway = true;
    expect((await signOut(cutOff, token)).status).toBe(204);
    expect(await statusAt(cutOff, token)).toBe(401);
    expect(await statusAt(cutOff, fresh)).toBe(503);
    expect(await statusAt(other, token)).toBe(200);
    state.isAway = false;
    expect(await statusAt(cutOff, fresh)).toBe(200);
    expect(await statusAt(other, token)).toBe(401);
  });
});

it("who read a conversation is not on record where the operator wants it so", async () => {
  const { config } = first().platform;
  const quiet = await replica({ config: { ...config, auditReads: "off" } });
  const token = await signIn(quiet);
  const { key } = await proxy.createKey({ openaiBaseUrl: "http://127.0.0.1:1/v1" });
  await chat(quiet.url, key);
  const { data } = (await (
    await fetch(`${quiet.url}/api/admin/conversations?limit=1`, bearer(token))
  ).json()) as { data: { id: string }[] };
  const id = data[0]?.id ?? "";
  const read = async ({ url }: InProcessProxy) =>
    (await fetch(`${url}/api/admin/conversations/${id}`, bearer(token))).status;
  const reads = async () => {
    const path = `/api/admin/audit?action=conversation.read&targetId=${id}`;
    const answer = await fetch(`${quiet.url}${path}`, bearer(token));
    return ((await answer.json()) as { data: unknown[] }).data.length;
  };
  const before = await reads();
  expect(await read(quiet)).toBe(200);
  expect(await reads()).toBe(before);
  expect(await read(first())).toBe(200);
  expect(await reads()).toBe(before + 1);
});
