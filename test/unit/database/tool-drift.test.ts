/** What replicas that ask the same MCP server at the same time do to each other's notes. */
import { eq, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tools } from "../../../drizzle/schema.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { findToolsAt, noteChecked, noteDrift } from "../../../src/store/tool-drift.ts";
import { updateTool, type StoredTool } from "../../../src/store/tools.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;

beforeAll(async () => {
  server = await startPostgres();
  opened = await openDatabase(
    { databaseUrl: await server.createDatabase(), dataDir: "unused" },
    memoryLogger(),
  );
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

const read = async (id: string): Promise<StoredTool> => {
  const [tool] = await opened.database.select().from(tools).where(eq(tools.id, id));
  if (tool === undefined) throw new Error("The tool is not there");
  return tool;
};

/** A tool at a server of its own, as a replica reads it when it is about to ask. */
async function toolToBeAsked() {
  const [id, mcpServerUrl] = [uuidv7(), `https://${crypto.randomUUID()}.example/mcp`];
  await opened.database
    .insert(tools)
    .values({ id, name: id, type: "mcp", parameters: "{}", mcpServerUrl, mcpToolName: "echo" });
  // A moment after it was made, so that its times differ.
  await opened.database.execute(sql`select pg_sleep(0.01)`);
  const ask = async () => {
    const { tools: found, askedAt } = await findToolsAt(opened.database, {
      mcpServerCommand: null,
      mcpServerUrl,
    });
    const [tool] = found;
    if (tool === undefined || found.length > 1) throw new Error("One tool was to be found");
    return { tool, askedAt };
  };
  const patch = (columns: Parameters<typeof updateTool>[2]) =>
    updateTool({ database: opened.database, clientAddress: "", describe: () => ({}) }, id, columns);
  return { id, ask, patch };
}

const offer = (description: string) => JSON.stringify({ description, inputSchema: {} });
const note = (
  { tool, askedAt }: { tool: StoredTool; askedAt: Date },
  mcpChanged: string | null,
  mcpApproved: string | null = null,
) => noteDrift(opened.database, tool, { mcpApproved, mcpChanged, askedAt });

describe("what a replica notes of an MCP server's tools", () => {
  it("stays where another replica, which asked before, comes with its answer later", async () => {
    const { id, ask } = await toolToBeAsked();
    const slow = await ask();
    await opened.database.execute(sql`select pg_sleep(0.01)`);
    const quick = await ask();
    expect(quick.askedAt.getTime()).toBeGreaterThan(slow.askedAt.getTime());
    await note(quick, offer("new"));
    await note(slow, offer("old"));
    await noteChecked(opened.database, [id], { askedAt: slow.askedAt, unlessSince: slow.askedAt });
    expect(await read(id)).toMatchObject({
      mcpChanged: offer("new"),
      mcpChangedAt: quick.askedAt,
      mcpCheckedAt: quick.askedAt,
    });
  });

  it("does not undo what an operator did while the server was asked", async () => {
    const { id, ask, patch } = await toolToBeAsked();
    const asked = await ask();
    await patch({ mcpToolName: "other" });
    await note(asked, offer("of the tool that it was"));
    await noteChecked(opened.database, [id], {
      askedAt: asked.askedAt,
      unlessSince: asked.askedAt,
    });
    expect(await read(id)).toMatchObject({
      mcpApproved: null,
      mcpChanged: null,
      mcpCheckedAt: null,
    });
  });

  it("keeps the time of a change that was known, and is written once a minute where nothing is new", async () => {
    const { id, ask } = await toolToBeAsked();
    const first = await ask();
    await note(first, offer("new"), offer("approved"));
    await opened.database.execute(sql`select pg_sleep(0.01)`);
    const second = await ask();
    await noteChecked(opened.database, [id], {
      askedAt: second.askedAt,
      unlessSince: new Date(second.askedAt.getTime() - 60_000),
    });
    expect(await read(id)).toMatchObject({
      mcpChangedAt: first.askedAt,
      mcpCheckedAt: first.askedAt,
    });
    await noteChecked(opened.database, [id], {
      askedAt: second.askedAt,
      unlessSince: second.askedAt,
    });
    expect(await read(id)).toMatchObject({
      mcpChangedAt: first.askedAt,
      mcpCheckedAt: second.askedAt,
    });
    const third = await ask();
    await note(third, offer("new"), offer("approved"));
    expect(await read(id)).toMatchObject({ mcpChangedAt: first.askedAt });
    await note({ ...third, tool: await read(id) }, null, offer("approved"));
    expect(await read(id)).toMatchObject({
      mcpChanged: null,
      mcpChangedAt: null,
      mcpApproved: offer("approved"),
    });
  });
});
