/**
 * Where requests name models. Derived from OpenAI's published document
 * (github.com/openai/openai-openapi, 2.3.0 of 2026-08-21); `model-places.test.ts` derives it again
 * where OPENAI_OPENAPI names the document. What differs from the document says why.
 */

/**
 * Whether the object around a place must name a model there. `always`: without it upstream, or
 * something that upstream stores, would choose one. `never`: nothing is chosen. By the object's
 * `type`: only where that begins so, or where it is not the one.
 */
export type Need = "always" | "never" | { ofType: string } | { unlessType: string };

/** What is known of the models that requests to one path use. */
export interface Endpoint {
  /**
   * Below `/v1`. `{id}` is any plain segment, `{model}` one that names a model, `{model...}` all
   * that remain, `**` any number of plain segments.
   */
  path: string;
  /** POST where left out. */
  methods?: readonly string[];
  /** The body's places: `tools[].model`; `grader**` means every `model` at any depth below. */
  body?: Readonly<Record<string, Need>>;
  /** Every `model` in the body, at any depth, names one. */
  anywhere?: true;
  /** A request that names no model uses none. */
  mayNameNone?: true;
  /** The query has to name it. */
  query?: true;
  /** A media type of bodies in which no model stands: the query has to name it. */
  rawType?: string;
  /** Who chooses the model of a request that names none. */
  otherwise?: string;
  /** Members that look like a model's, and are none. */
  others?: readonly string[];
  /** Only where a WebSocket is asked for. */
  webSocket?: true;
  /** The models are named elsewhere: where. */
  elsewhere?: string;
}

const MODEL = { model: "always" } as const;
/** Without a model of its own an image tool has upstream's default. */
const IMAGE_TOOL = { ofType: "image_generation" } as const;
/** The last three are not in the document; where a server reads a model there, it is judged. */
const RESPONSE_TOOLS = {
  "tools[].model": IMAGE_TOOL,
  "input[].tools[].model": IMAGE_TOOL,
  "tools[].tools[].model": IMAGE_TOOL,
  "tool_choice.model": "never",
  "context_management[].model": "never",
} as const;
/** As of a response's tools: no tool of an assistant takes a model today. */
const ASSISTANT_TOOLS = { "tools[].model": IMAGE_TOOL } as const;
const STORED_ITEMS = { "items[].tools[].model": IMAGE_TOOL } as const;
const TRANSCRIPTION = "audio.input.transcription.model";
/** A session of type `transcription` has its model at the transcription alone. */
const SESSION = {
  "session.model": { unlessType: "transcription" },
  [`session.${TRANSCRIPTION}`]: "always",
} as const;
const OF_A_SESSION = "upstream would choose that of the session";
const OF_AN_ASSISTANT = "it would be that of the assistant";

/** Endpoints of which requests name models, or use models that are named elsewhere. */
export const MODEL_PLACES: readonly Endpoint[] = [
  { path: "/assistants", body: { ...MODEL, ...ASSISTANT_TOOLS } },
  // Changes the assistant, and runs nothing.
  {
    path: "/assistants/{id}",
    body: { model: "never", ...ASSISTANT_TOOLS },
    mayNameNone: true,
  },
  { path: "/audio/speech", body: MODEL },
  { path: "/audio/transcriptions", body: MODEL },
  { path: "/audio/translations", body: MODEL },
  { path: "/chat/completions", body: { ...MODEL, "moderation.model": "always" } },
  { path: "/completions", body: MODEL },
  { path: "/conversations", body: STORED_ITEMS, mayNameNone: true },
  { path: "/conversations/{id}/items", body: STORED_ITEMS, mayNameNone: true },
  { path: "/embeddings", body: MODEL },
  // Graders of some types take a model, and have no default.
  { path: "/evals", body: { "testing_criteria[].model": "never" }, mayNameNone: true },
  {
    path: "/fine_tuning/alpha/graders/run",
    body: { "grader**": "never" },
    mayNameNone: true,
    others: ["model_sample"],
  },
  { path: "/fine_tuning/alpha/graders/validate", body: { "grader**": "never" }, mayNameNone: true },
  { path: "/fine_tuning/jobs", body: { ...MODEL, "method.reinforcement.grader**": "never" } },
  // Images and moderations have a default in the document. It depends on other members and on the
  // upstream, and changes with time: it is never guessed.
  { path: "/images/edits", body: MODEL },
  { path: "/images/generations", body: MODEL },
  { path: "/images/variations", body: MODEL },
  { path: "/moderations", body: MODEL },
  { path: "/realtime/calls", body: SESSION, rawType: "application/sdp", otherwise: OF_A_SESSION },
  { path: "/realtime/calls/{id}/accept", body: { ...MODEL, [TRANSCRIPTION]: "always" } },
  { path: "/realtime/client_secrets", body: SESSION },
  // The document leaves out `model`, which the endpoint takes.
  {
    path: "/realtime/sessions",
    body: { ...MODEL, "input_audio_transcription.model": "always" },
  },
  {
    path: "/realtime/transcription_sessions",
    body: { "input_audio_transcription.model": "always" },
  },
  {
    path: "/realtime/translations/client_secrets",
    body: { "session.model": "always", [`session.${TRANSCRIPTION}`]: "always" },
  },
  // A model in the request takes precedence over the stored prompt's.
  {
    path: "/responses",
    body: { ...MODEL, ...RESPONSE_TOOLS, "moderation.model": "always" },
    otherwise: "a stored prompt or upstream's default would choose one",
  },
  { path: "/responses/compact", body: { ...MODEL, ...RESPONSE_TOOLS } },
  { path: "/responses/input_tokens", body: { ...MODEL, ...RESPONSE_TOOLS } },
  {
    path: "/threads/runs",
    body: { ...MODEL, ...ASSISTANT_TOOLS },
    otherwise: OF_AN_ASSISTANT,
  },
  {
    path: "/threads/{id}/runs",
    body: { ...MODEL, ...ASSISTANT_TOOLS },
    otherwise: OF_AN_ASSISTANT,
  },
  { path: "/videos", body: MODEL },

  { path: "/models/{model...}", methods: ["GET", "DELETE"] },
  {
    path: "/fine_tuning/checkpoints/{model}/permissions",
    methods: ["GET", "POST"],
    mayNameNone: true,
  },
  { path: "/fine_tuning/checkpoints/{model}/permissions/{id}", methods: ["DELETE"] },
  // Not in the document: a WebSocket, whose address names the model.
  { path: "/realtime", methods: ["GET"], query: true, otherwise: OF_A_SESSION },
  {
    path: "/responses",
    methods: ["GET"],
    webSocket: true,
    elsewhere: "the models of a WebSocket of responses are named in its messages",
  },

  { path: "/batches", elsewhere: "the models of a batch are named in its input file" },
  {
    path: "/chatkit/sessions",
    elsewhere: "the models of a ChatKit session are named in its workflow",
  },
  {
    path: "/evals/{id}/runs",
    elsewhere: "the models of an eval's run are named in the graders of the eval too",
  },
  {
    path: "/threads/{id}/runs/{id}/submit_tool_outputs",
    elsewhere: "the model that goes on with a run is named in the run",
  },
  { path: "/videos/edits", elsewhere: "the model of an edit is that of the video" },
  { path: "/videos/extensions", elsewhere: "the model of an extension is that of the video" },
  { path: "/videos/{id}/remix", elsewhere: "the model of a remix is that of the video" },

  // Administration of an account: no inference, and too many to list. What looks like a model's
  // name (permissions of models) is judged all the same.
  { path: "/organization/**", anywhere: true, mayNameNone: true },
  { path: "/projects/**", anywhere: true, mayNameNone: true },
];

/** What is posted there uses no model, so that the body is not read. */
export const NO_MODEL: readonly string[] = [
  "/audio/voice_consents",
  "/audio/voice_consents/{id}",
  "/audio/voices",
  "/batches/{id}/cancel",
  "/chat/completions/{id}",
  "/chatkit/sessions/{id}/cancel",
  "/containers",
  "/containers/{id}/files",
  "/content_provenance_checks",
  "/conversations/{id}",
  "/evals/{id}",
  "/evals/{id}/runs/{id}",
  "/files",
  "/fine_tuning/jobs/{id}/cancel",
  "/fine_tuning/jobs/{id}/pause",
  "/fine_tuning/jobs/{id}/resume",
  "/realtime/calls/{id}/hangup",
  "/realtime/calls/{id}/refer",
  "/realtime/calls/{id}/reject",
  "/responses/{id}/cancel",
  "/skills",
  "/skills/{id}",
  "/skills/{id}/versions",
  "/threads",
  "/threads/{id}",
  "/threads/{id}/messages",
  "/threads/{id}/messages/{id}",
  "/threads/{id}/runs/{id}",
  "/threads/{id}/runs/{id}/cancel",
  "/uploads",
  "/uploads/{id}/cancel",
  "/uploads/{id}/complete",
  "/uploads/{id}/parts",
  "/vector_stores",
  "/vector_stores/{id}",
  "/vector_stores/{id}/file_batches",
  "/vector_stores/{id}/file_batches/{id}/cancel",
  "/vector_stores/{id}/files",
  "/vector_stores/{id}/files/{id}",
  "/vector_stores/{id}/search",
  "/videos/characters",
];
