/** What the database's thread is given when it starts. */
export interface EmbeddedTask {
  /** `initialise`: make an empty database and exit. `serve`: open it and answer on the socket. */
  job: "initialise" | "serve";
  /** The database's own directory. */
  directory: string;
  socketPath: string;
}

/** What the database's thread says. `busy` brackets work during which it cannot answer pings. */
export type EmbeddedReport =
  | { kind: "ready" }
  | { kind: "pong" }
  | { kind: "busy"; running: boolean }
  | { kind: "aborted"; error: string }
  | { kind: "warning"; message: string; error: string };

/** What the database's thread is told. */
export type EmbeddedOrder = { kind: "ping" } | { kind: "stop" };
