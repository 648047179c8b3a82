/** A wire to the database that can be cut and mended, as networks do. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A proxy's way to the database. */
export interface DatabaseWire {
  /** The database's URL, as the proxy must be told it. */
  url: string;
  /** Breaks all connections, and refuses new ones. */
  cut(): void;
  /** Lets nothing through any more, and says so to nobody, as a lost network does. */
  stall(): void;
  /** Breaks what is left of stalled connections, and lets new ones through. */
  mend(): void;
  close(): void;
}

/** Opens a wire to the database at this URL, on any free port of 127.0.0.1. */
export async function openDatabaseWire(databaseUrl: string): Promise<DatabaseWire> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const state = { way: "open" as "open" | "cut" | "stalled" };
  const server = createServer((socket) => {
    if (state.way === "cut") return socket.destroy();
    if (state.way === "stalled")
      return void sockets.add(socket.on("error", () => socket.destroy()));
    const through = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [socket, through],
      [through, socket],
    ] as const) {
      sockets.add(from);
      from
        .on("error", () => to.destroy())
        .on("close", () => {
          sockets.delete(from);
          to.destroy();
        });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(target);
  url.port = String((server.address() as AddressInfo).port);
  url.hostname = "127.0.0.1";
  const breakAll = (way: typeof state.way) => {
    state.way = way;
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: url.href,
    cut: () => breakAll("cut"),
    stall: () => {
      state.way = "stalled";
      for (const socket of sockets) socket.unpipe().pause();
    },
    mend: () => (state.way === "open" ? undefined : breakAll("open")),
    close: () => {
      breakAll("cut");
      server.close();
    },
  };
}
