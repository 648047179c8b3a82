import type { SHAPES } from "./openapi-shapes.ts";

/** What cannot be read off a route: what it is for, and what it answers. */
export interface RouteText {
  tag: string;
  summary: string;
  /** The shape of the answer; null where there is no body. */
  answer: keyof typeof SHAPES | null;
  /** 200 unless given. */
  status?: number;
  /**
   * `application/json` unless given; then the shape is that of one line, or of one event's data.
   */
  contentType?: string;
}

/**
 * By method and path under `/api/admin`, as the routes have them. A test fails for a route that is
 * not here.
 */
export const ROUTE_TEXTS: Record<string, RouteText> = {
  "POST /login": {
    tag: "Session",
    summary: "Sign in: a token, and the page's cookie",
    answer: "Session",
  },
  "POST /logout": {
    tag: "Session",
    summary: "Sign out: takes the page's cookie away",
    answer: null,
    status: 204,
  },

  "GET /api-keys": { tag: "Keys", summary: "List keys", answer: "KeyPage" },
  "POST /api-keys": {
    tag: "Keys",
    summary: "Create a key; it is shown this once",
    answer: "NewKey",
    status: 201,
  },
  "GET /api-keys/:id": { tag: "Keys", summary: "Read a key", answer: "Key" },
  "PATCH /api-keys/:id": { tag: "Keys", summary: "Change a key", answer: "Key" },
  "DELETE /api-keys/:id": {
    tag: "Keys",
    summary: "Delete a key; its conversations stay",
    answer: null,
    status: 204,
  },
  "POST /api-keys/:id/rotate": {
    tag: "Keys",
    summary: "Replace a key; the old one is accepted for a while",
    answer: "NewKey",
  },
  "GET /api-keys/:id/preview": {
    tag: "Keys",
    summary: "What a model sees of the key's tools, and what that costs",
    answer: "KeyPreview",
  },
  "GET /api-keys/:id/tools": { tag: "Keys", summary: "List the key's tools", answer: "KeyTools" },
  "PUT /api-keys/:id/tools": {
    tag: "Keys",
    summary: "Replace the key's tools",
    answer: "KeyTools",
  },
  "PUT /api-keys/:id/tools/:toolId": { tag: "Keys", summary: "Assign a tool", answer: "KeyTools" },
  "DELETE /api-keys/:id/tools/:toolId": {
    tag: "Keys",
    summary: "Take a tool away",
    answer: null,
    status: 204,
  },

  "GET /tools": { tag: "Tools", summary: "List tools", answer: "ToolPage" },
  "POST /tools": { tag: "Tools", summary: "Create a tool", answer: "Tool", status: 201 },
  "GET /tools/:id": { tag: "Tools", summary: "Read a tool", answer: "Tool" },
  "PATCH /tools/:id": { tag: "Tools", summary: "Change a tool", answer: "Tool" },
  "DELETE /tools/:id": {
    tag: "Tools",
    summary: "Delete a tool; what it did stays on record",
    answer: null,
    status: 204,
  },
  "POST /tools/:id/try": {
    tag: "Tools",
    summary: "Call a tool as a model would",
    answer: "ToolTrial",
  },
  "POST /tools/:id/check": {
    tag: "Tools",
    summary: "Ask a tool's MCP server whether it still offers what was approved",
    answer: "Tool",
  },
  "POST /tools/:id/change": {
    tag: "Tools",
    summary: "Approve or dismiss a change that waits",
    answer: "Tool",
  },
  "POST /tools/discover": {
    tag: "Tools",
    summary:
      "List the tools of an MCP server, or of several named as in a desktop client's mcpServers",
    answer: "DiscoveredTools",
  },
  "GET /tools/servers": {
    tag: "Tools",
    summary: "State of the MCP servers that are started by a command",
    answer: "ServerList",
  },
  "POST /tools/servers/restart": {
    tag: "Tools",
    summary: "Restart an MCP server of a tool",
    answer: null,
    status: 204,
  },

  "GET /conversations": {
    tag: "Conversations",
    summary: "List conversations, newest first, without bodies",
    answer: "ConversationPage",
  },
  "GET /conversations/export": {
    tag: "Conversations",
    summary: "Every conversation of a filter with all that belongs to it, one a line",
    answer: "ConversationDetail",
    contentType: "application/x-ndjson",
  },
  "GET /conversations/live": {
    tag: "Conversations",
    summary: "Events `conversation`, each with a row of the list that is new or has changed",
    answer: "Conversation",
    contentType: "text/event-stream",
  },
  "GET /conversations/:id": {
    tag: "Conversations",
    summary: "Read a conversation",
    answer: "ConversationDetail",
  },
  "DELETE /conversations/:id": {
    tag: "Conversations",
    summary: "Delete a conversation",
    answer: null,
    status: 204,
  },

  "GET /stats": {
    tag: "Operation",
    summary: "Requests, tokens, cost and latency by time and group",
    answer: "Statistics",
  },
  "GET /audit": {
    tag: "Operation",
    summary: "What operators changed, newest first",
    answer: "AuditPage",
  },
  "GET /settings": {
    tag: "Operation",
    summary: "Versions, and the configuration without secrets",
    answer: "Settings",
  },
  "GET /openapi.json": { tag: "Operation", summary: "This document", answer: "Document" },
};
