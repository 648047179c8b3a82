/** A wire to the database that can be cut and mended, as networks do. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A proxy's way to the database. */
export interface DatabaseWire {
  /** The database's URL, as the proxy must be told it. */
  url: string;
  /** Breaks all connections, and refuses new ones. */
  cut(): void;
  mend(): void;
  close(): void;
}

/** Opens a wire to the database at this URL, on any free port of 127.0.0.1. */
export async function openDatabaseWire(databaseUrl: string): Promise<DatabaseWire> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const state = { cut: false };
  const server = createServer((socket) => {
    if (state.cut) return socket.destroy();
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
  const cut = () => {
    state.cut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut,
    mend: () => {
      state.cut = false;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}
