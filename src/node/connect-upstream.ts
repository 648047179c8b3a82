import type { Socket } from "node:net";
import { buildConnector } from "undici";

/** What a write says when the other side has closed the connection. */
const CLOSED = new Set(["EPIPE", "ECONNRESET"]);
/** How long an answer may take to be read after that. It is there already, or will never be. */
const LAST_WORDS_MS = 1000;
/** `100 Continue`, which nobody asked for: undici would end the connection. */
const CONTINUE = /^HTTP\/1\.1 100[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n/;

type WriteDone = (error?: NodeJS.ErrnoException | null) => void;

/** Errors of connections that upstream had closed before it began to answer on them again. */
const stale = new WeakSet();

/**
 * Whether a request failed because its connection, which had carried others, was closed already:
 * upstream has sent nothing of an answer, and a new connection may well get one.
 */
export const wasStale = (error: Error): boolean => stale.has(error);

/** What came and went on a connection, as HTTP/1.1 has it. */
interface Traffic {
  /** Bytes of answers, up to now. */
  read: number;
  /** Bytes of answers when the last write of a request began; null before the first. */
  readBefore: number | null;
}

const awaitsAnswer = ({ read, readBefore }: Traffic) => read === readBefore;
const isStale = (traffic: Traffic) => awaitsAnswer(traffic) && traffic.read > 0;

/** Counts what is read, and leaves out what is no answer. */
function countReads(socket: Socket, traffic: Traffic): void {
  const read = socket.read.bind(socket);
  socket.read = (size?: number) => {
    let chunk = read(size) as Buffer | null;
    while (chunk !== null && awaitsAnswer(traffic)) {
      const skipped = CONTINUE.exec(chunk.subarray(0, 1024).toString("latin1"))?.[0].length ?? 0;
      if (skipped === 0) break;
      const rest = chunk.subarray(skipped);
      chunk = rest.length > 0 ? rest : (read(size) as Buffer | null);
    }
    traffic.read += chunk?.length ?? 0;
    return chunk;
  };
}

/**
 * A server may answer and close before it has read all of a request. The answer is then in our
 * receive buffer, but the first write to fail would destroy the socket, unread. So such a write
 * stays open, and reading goes on to the answer, or to the end that tells what the write did.
 */
function surviveClosedWrites(socket: Socket, traffic: Traffic): void {
  const begin = (done: WriteDone): WriteDone => {
    traffic.readBefore = traffic.read;
    return (error) => {
      if (!CLOSED.has(error?.code ?? "")) return done(error);
      const giveUp = setTimeout(() => done(error), LAST_WORDS_MS);
      socket.once("close", () => clearTimeout(giveUp));
    };
  };
  const { _write: write, _writev: writev } = socket;
  // By these names streams have what they do with bytes: there is no other place to hear of them.
  // oxlint-disable no-underscore-dangle
  socket._write = (chunk, encoding, done) => write.call(socket, chunk, encoding, begin(done));
  if (writev !== undefined)
    socket._writev = (chunks, done) => writev.call(socket, chunks, begin(done));
  // oxlint-enable no-underscore-dangle
}

/** Marks the error of a connection that ends where an answer should begin, before undici has it. */
function noteStale(socket: Socket, traffic: Traffic): void {
  socket.prependListener("error", (error) => {
    if (isStale(traffic)) stale.add(error);
  });
  socket.prependListener("end", () => {
    if (!isStale(traffic)) return;
    const error = new Error("The upstream API had closed this connection");
    stale.add(error);
    socket.destroy(error);
  });
}

/**
 * Connects to upstreams, by sockets that keep an early answer and know whether they were stale.
 * HTTP/2 takes a socket's handle for itself and is not concerned: there an early answer is a frame.
 */
export function createConnector(timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs });
  return (options, callback) =>
    connect(options, (...connected) => {
      // undici's types say null; where it could not connect, there is no second argument.
      const socket: Socket | null | undefined = connected[1];
      if (socket) {
        const traffic: Traffic = { read: 0, readBefore: null };
        countReads(socket, traffic);
        surviveClosedWrites(socket, traffic);
        noteStale(socket, traffic);
      }
      callback(...connected);
    });
}
