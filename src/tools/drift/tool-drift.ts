import { ApiError } from "../../openai/api-error.ts";
import { isObject, parseJson, sortedMembers, type JsonObject } from "../../openai/json.ts";
import type { StoredTool } from "../../store/tools.ts";
import type { McpToolDescription } from "../mcp/mcp-client.ts";
import { toolChanges } from "../tool-changes.ts";
import { importedSchema } from "../tool-schema.ts";

/** What a model is told of a tool beside its name. */
interface ToolWording {
  description: string;
  /** JSON Schema of the arguments object, as discovery gives it. */
  parameters: JsonObject;
}

/**
 * A change of a tool at its MCP server. `to` is null where the server has no such tool any more.
 */
export interface ToolChange {
  from: ToolWording;
  to: ToolWording | null;
}

/** What an operator can do about a change. */
export type ChangeAction = "approve" | "dismiss";

/** The columns that say what a tool's server offers. */
export type Drift = Pick<StoredTool, "mcpApproved" | "mcpChanged">;

/** As long as `POST /tools` lets one be. */
const MAX_DESCRIPTION = 20_000;
/** Characters of JSON: what no request body could bring is not stored either. */
const MAX_OFFER = 1_000_000;
/** In `mcpChanged`: the server has no such tool any more. */
const GONE = "null";

interface ApprovedWording extends ToolWording {
  /** The operator knows that the server has no such tool. */
  isGone: boolean;
}

function spell({ description, parameters }: ToolWording, isGone = false): string {
  return JSON.stringify({ description, inputSchema: parameters, ...(isGone ? { isGone } : {}) });
}

function readWording(text: string): ApprovedWording | null {
  const value = parseJson(text);
  if (!isObject(value)) return null;
  const { description, inputSchema, isGone } = value;
  if (!isObject(inputSchema)) return null;
  return {
    description: typeof description === "string" ? description : "",
    parameters: importedSchema(inputSchema),
    isGone: isGone === true,
  };
}

/** Until its server was first asked, what an operator stored is what was approved. */
function approvedOf(tool: StoredTool): ApprovedWording {
  const approved = tool.mcpApproved === null ? null : readWording(tool.mcpApproved);
  if (approved !== null) return approved;
  const parameters = parseJson(tool.parameters);
  return {
    description: tool.description,
    parameters: importedSchema(isObject(parameters) ? parameters : {}),
    isGone: false,
  };
}

/** The order of a schema's members means nothing, and servers do not keep it. */
function areSame(a: ToolWording, b: ToolWording): boolean {
  const text = ({ description, parameters }: ToolWording) =>
    JSON.stringify(sortedMembers([description, parameters]));
  return text(a) === text(b);
}

/**
 * A tool's wording as its server gives it, in the form in which it is stored.
 * @throws Error with a sentence where it is too long to be kept
 */
function wordingOf({ name, description, inputSchema }: McpToolDescription): ToolWording {
  // PostgreSQL holds no NUL.
  const wording = {
    description: description.toWellFormed().replaceAll("\0", ""),
    parameters: importedSchema(inputSchema),
  };
  const { length } = spell(wording);
  if (length > MAX_OFFER)
    throw new Error(
      `What the MCP server says of its tool ${name} has ${length} characters, and is not read.`,
    );
  return wording;
}

/**
 * What a listing of its server means for a tool.
 * @param offered the server's tool; undefined where it has none of that name
 * @throws Error with a sentence where the server's tool is too long to be kept
 */
export function driftOf(tool: StoredTool, offered: McpToolDescription | undefined): Drift {
  const approved = approvedOf(tool);
  const { mcpApproved } = tool;
  if (offered === undefined) return { mcpApproved, mcpChanged: approved.isGone ? null : GONE };
  const wording = wordingOf(offered);
  if (areSame(wording, approved))
    return {
      mcpApproved: mcpApproved === null || approved.isGone ? spell(wording) : mcpApproved,
      mcpChanged: null,
    };
  const waiting = tool.mcpChanged === null ? null : readWording(tool.mcpChanged);
  return {
    mcpApproved,
    mcpChanged: waiting !== null && areSame(wording, waiting) ? tool.mcpChanged : spell(wording),
  };
}

/** The change that waits for the operator, or null. */
export function waitingChange(tool: StoredTool): ToolChange | null {
  if (tool.mcpChanged === null) return null;
  const { isGone: _isGone, ...from } = approvedOf(tool);
  const to = readWording(tool.mcpChanged);
  return {
    from,
    to: to === null ? null : { description: to.description, parameters: to.parameters },
  };
}

/**
 * The columns that change when an operator decides about the change that waits.
 * @param changedAt when the change that was decided about was noticed, where the operator says so
 * @throws ApiError 409 where no change waits, or another one than that; 400 where a tool cannot be
 * what the server offers
 */
export function settleChange(
  tool: StoredTool,
  { action, mcpChangedAt: changedAt }: { action: ChangeAction; mcpChangedAt?: Date | undefined },
): Partial<StoredTool> {
  const change = waitingChange(tool);
  if (change === null) throw new ApiError("conflict", "No change of this tool waits for approval.");
  if (changedAt !== undefined && changedAt.getTime() !== tool.mcpChangedAt?.getTime())
    throw new ApiError(
      "conflict",
      "The MCP server has changed this tool again. Look at the new change first.",
      { param: "mcpChangedAt" },
    );
  const { from, to } = change;
  const settled = {
    mcpApproved: spell(to ?? from, to === null),
    mcpChanged: null,
    mcpChangedAt: null,
  };
  if (action === "dismiss") return settled;
  if (to === null) return { ...settled, isActive: false };
  if (to.description.length > MAX_DESCRIPTION)
    throw new ApiError(
      "invalid_value",
      `The server's description has more than ${MAX_DESCRIPTION} characters.`,
      { param: "description" },
    );
  return { ...settled, description: to.description, parameters: JSON.stringify(to.parameters) };
}

/** What the audit log is told of a decision: what became of the tool, or what it did not become. */
export function settledChanges(
  before: StoredTool,
  after: StoredTool,
  action: ChangeAction,
): JsonObject {
  const change = waitingChange(before);
  if (action === "approve" || change === null) return toolChanges(before, after);
  if (change.to === null) return { mcpToolName: { from: before.mcpToolName, to: null } };
  const worded = ({ description, parameters }: ToolWording) => ({
    ...before,
    description,
    parameters: JSON.stringify(parameters),
  });
  return toolChanges(worded(change.from), worded(change.to));
}
