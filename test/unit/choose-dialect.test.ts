/** In which dialect upstream is asked: the rows of the choice, and what a translation refuses. */
import { describe, expect, it } from "vitest";
import { chatDialect } from "../../src/dialects/chat/chat-dialect.ts";
import type { DialectRequest, Translation } from "../../src/dialects/dialect.ts";
import { responsesDialect } from "../../src/dialects/responses/responses-dialect.ts";
import { chooseDialect, foreignDialect } from "../../src/upstream/choose-dialect.ts";

/** A row that takes what has no seed, and leaves out what is told apart from it. */
const ROW: Translation = {
  from: "chat",
  to: "responses",
  refuses: ({ text }) => (text.includes('"seed"') ? "`seed` has no counterpart there" : null),
  dropped: ({ text }) => (text.includes('"user"') ? ["`user` was left out"] : []),
  request: ({ model }) => JSON.stringify({ model, input: "translated" }),
  items: (items) => items,
};

function read(more: object): DialectRequest {
  const request = chatDialect.readRequest(
    JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], ...more }),
  );
  if (request === null) throw new Error("That is no request");
  return request;
}

const wanted = foreignDialect({ client: chatDialect, setting: "responses" });

describe("The setting", () => {
  it("auto is the client's own dialect", () => {
    expect(foreignDialect({ client: chatDialect, setting: "auto" })).toBeNull();
    expect(foreignDialect({ client: responsesDialect, setting: "auto" })).toBeNull();
  });

  it("names a dialect, which is no other for a client of the same", () => {
    expect(foreignDialect({ client: chatDialect, setting: "chat" })).toBeNull();
    expect(foreignDialect({ client: responsesDialect, setting: "responses" })).toBeNull();
    expect(foreignDialect({ client: responsesDialect, setting: "chat" })?.to).toBe(chatDialect);
    expect(wanted?.to).toBe(responsesDialect);
  });
});

describe("A request whose dialect is chosen", () => {
  it("is translated where a row can, and the record has what was left out", () => {
    const { spoken, translation, notes } = chooseDialect(read({ user: "u" }), wanted, [ROW]);
    expect(spoken).toBe(responsesDialect);
    expect(translation.toUpstream(read({})).text).toContain("translated");
    expect(notes).toEqual([
      "Asked over responses, because UPSTREAM_DIALECT or the key says so",
      "`user` was left out",
    ]);
  });

  it("keeps the client's dialect where the row refuses it, and the record says why", () => {
    const { spoken, notes } = chooseDialect(read({ seed: 1 }), wanted, [ROW]);
    expect(spoken).toBe(chatDialect);
    expect(notes).toEqual([
      "Asked over chat, and not over responses (because UPSTREAM_DIALECT or the key says so): " +
        "`seed` has no counterpart there",
    ]);
  });

  it("keeps the client's dialect where there is no row", () => {
    const { spoken, notes } = chooseDialect(read({}), wanted, []);
    expect(spoken).toBe(chatDialect);
    expect(notes).toEqual([expect.stringContaining("there is no translation")]);
  });

  it("says nothing where the client's own is wanted", () => {
    const { spoken, notes } = chooseDialect(read({}), null, [ROW]);
    expect([spoken, notes]).toEqual([chatDialect, []]);
  });
});
