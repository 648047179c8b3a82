import { describe, expect, it } from "vitest";
import {
  endpointGroup,
  endpointPattern,
  hasConversations,
} from "../../src/store/endpoint-group.ts";

const GROUPS: [path: string, group: string][] = [
  ["/v1/chat/completions", "/v1/chat/completions"],
  ["/v1/chat/completions/chatcmpl-1/messages", "/v1/chat/completions/{id}/messages"],
  ["/v1/embeddings", "/v1/embeddings"],
  ["/v1/models/gpt-4o", "/v1/models/{id}"],
  ["/v1/models/meta-llama/Llama-3.3-70B", "/v1/models/{id}"],
  ["/v1/models/ft:gpt-4o:acme::9abc", "/v1/models/{id}"],
  ["/v1/files/file-abc", "/v1/files/{id}"],
  ["/v1/files/file-abc/content", "/v1/files/{id}/content"],
  ["/v1/responses/resp_1/input_items", "/v1/responses/{id}/input_items"],
  ["/v1/responses/compact", "/v1/responses/compact"],
  ["/v1/batches/batch_1/cancel", "/v1/batches/{id}/cancel"],
  ["/v1/vector_stores/vs_1/files/file-1/content", "/v1/vector_stores/{id}/files/{id}/content"],
  ["/v1/threads/runs", "/v1/threads/runs"],
  ["/v1/threads/thread_1/runs/run_1/steps/step_1", "/v1/threads/{id}/runs/{id}/steps/{id}"],
  ["/v1/uploads/6f9619ff-8b86-d011-b42d-00c04fc964ff/parts", "/v1/uploads/{id}/parts"],
  ["/v1/fine_tuning/jobs/ftjob-1/events", "/v1/fine_tuning/jobs/{id}/events"],
  ["/mcp", "/mcp"],
  // What nobody knows is bounded, however it is spelled.
  ["/v1/made_up", "/v1/{other}"],
  ["/v1/made_up/deeper/still", "/v1/{other}"],
  ["/v1/", "/v1/{other}"],
  ["/v1/files/file-abc/content/more", "/v1/files/{other}"],
  ["/v1/embeddings/x", "/v1/embeddings/{other}"],
  ["/v1/__proto__", "/v1/{other}"],
  ["/v1/{id}", "/v1/{other}"],
  ["/v2/files", "/{other}"],
  ["", "/{other}"],
];

describe("the endpoint of figures", () => {
  it("is the path without its ids", () => {
    for (const [path, group] of GROUPS) expect(endpointGroup(path), path).toBe(group);
  });

  it("cannot be made up by whoever asks: random paths make a handful of them", () => {
    const words = ["files", "models", "content", "threads", "runs", "{id}", "x", "file-1", "", "é"];
    const groups = new Set<string>();
    for (let seed = 0; seed < 20_000; seed++) {
      const depth = 1 + (seed % 6);
      const parts = Array.from({ length: depth }, (_, index) => {
        const random = (seed * 7919 + index * 104_729 + seed * index * 31) % 997;
        return random % 3 === 0 ? `${seed}-${index}` : words[random % words.length];
      });
      groups.add(endpointGroup(`/v1/${parts.join("/")}`));
    }
    expect(groups.size).toBeLessThan(40);
  });

  it("finds the paths that it is made of, and no others", () => {
    for (const [, group] of GROUPS.filter(([, name]) => name !== "/{other}")) {
      const pattern = endpointPattern(group);
      expect(pattern !== null, group).toBe(group.includes("{"));
      if (pattern === null) continue;
      for (const [other, itsGroup] of GROUPS) {
        const isLike = new RegExp(pattern.like).test(other);
        const isUnlike = pattern.unlike !== null && new RegExp(pattern.unlike).test(other);
        expect(isLike && !isUnlike, `${other} of ${group}`).toBe(itsGroup === group);
      }
    }
  });
});

describe("the pattern of a group", () => {
  it("finds ids, and not the words that may stand in their place", () => {
    const pattern = new RegExp(endpointPattern("/v1/threads/{id}")?.like ?? "^$");
    const paths = ["/v1/threads/runs", "/v1/threads/thread_1", "/v1/threads/runs_1"];
    expect(paths.filter((path) => pattern.test(path))).toEqual(paths.slice(1));
  });
});

describe("a conversation", () => {
  it("is what requests of these endpoints make, and of no other", () => {
    const paths = ["/v1/chat/completions", "/v1/responses", "/mcp", "/v1/embeddings", "/v1/files"];
    expect(paths.filter(hasConversations)).toEqual(paths.slice(0, 3));
  });
});
