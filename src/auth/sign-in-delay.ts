import ipaddr from "ipaddr.js";
import type { Clock } from "../clock.ts";
import { forgetOldest, memorySlot, type Memory } from "../memory.ts";
import { ApiError } from "../openai/api-error.ts";

/** Wrong passwords of one network that cost nothing: people mistype. */
const FREE_FAILURES = 5;
/**
 * What lies between two attempts then, in milliseconds: twice as much with each, up to the last.
 */
const FIRST_GAP_MS = 250;
const LAST_GAP_MS = 3000;
/** No attempt waits longer: who would have to is told to come back. */
const MAX_WAIT_MS = 15_000;
/** Wrong passwords are forgotten when a network has tried none for so long. */
const FORGET_MS = 5 * 60_000;
/** Attempts that wait at the same time, of all networks. */
const MAX_WAITING = 200;
const MAX_NETWORKS = 10_000;
/** How often it is told that a network is held up. */
const TELL_EVERY_MS = 60_000;

/** What a network tried. Times are the clock's `elapsed`. */
interface Attempts {
  failures: number;
  /** When the latest attempt was, or will be, judged. */
  judgedAt: number;
  toldAt: number;
}

interface Waiting {
  /** By network. */
  attempts: Map<string, Attempts>;
  /** When each attempt that waits will be judged. */
  until: number[];
}

const waitingRoom = memorySlot((): Waiting => ({ attempts: new Map(), until: [] }));

/** Who tries to sign in. */
export interface Applicant {
  /** The client's network address. */
  address: string;
  /** A browser that the operator has signed in with before, by its id. */
  deviceId: string | null;
}

/** An attempt that may be judged after a while. */
interface Attempt {
  /** Milliseconds. */
  waitMs: number;
  /** The password was right: what the network tried before is forgotten. */
  forgive(): void;
}

/**
 * Who is counted together: an IPv4 address, or the /64 that an IPv6 address is in, because one
 * machine has all of it. `::ffff:192.0.2.1` is that IPv4 address.
 */
function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(":") : parsed.toString();
}

/** The oldest entry goes first, so that nobody can fill the memory with addresses. */
function remember({ attempts }: Waiting, network: string, now: number): Attempts {
  const known = attempts.get(network);
  attempts.delete(network);
  const fresh = { failures: 0, judgedAt: -Infinity, toldAt: -Infinity };
  const kept = known !== undefined && now - known.judgedAt < FORGET_MS ? known : fresh;
  attempts.set(network, kept);
  forgetOldest(attempts, MAX_NETWORKS);
  return kept;
}

const gapAfter = (failures: number) =>
  failures < FREE_FAILURES
    ? 0
    : Math.min(LAST_GAP_MS, FIRST_GAP_MS * 2 ** (failures - FREE_FAILURES));

function tooMany(seconds: number): ApiError {
  return new ApiError(
    "too_many_requests",
    "Too many people try to sign in from this address. Try again in a few seconds.",
    { retryAfter: seconds },
  );
}

/**
 * Gives an attempt its place: after wrong passwords there is time between two of a network, so that
 * guessing is slow, while who knows the password gets in with some patience. The right one waits as
 * long as any other, or one could tell by the time. A browser that the operator has signed in with
 * is counted by itself, so that a storm from its address does not keep it out. It is counted before
 * it is judged, so that many at the same time get no further than one after the other.
 * @param onHeldUp told, now and then, that this network has to wait
 * @throws ApiError 429 where too many wait already
 */
export function queueAttempt(
  { memory, clock }: { memory: Memory; clock: Clock },
  { address, deviceId }: Applicant,
  onHeldUp: () => void,
): Attempt {
  const now = clock.elapsed();
  const room = waitingRoom.of(memory);
  const who = deviceId === null ? networkOf(address) : `device ${deviceId}`;
  const tried = remember(room, who, now);
  const judgedAt = Math.max(now, tried.judgedAt + gapAfter(tried.failures));
  const waitMs = judgedAt - now;
  room.until = room.until.filter((until) => until > now);
  if (waitMs > 0 && now - tried.toldAt >= TELL_EVERY_MS) {
    tried.toldAt = now;
    onHeldUp();
  }
  if (waitMs > MAX_WAIT_MS) throw tooMany((waitMs - MAX_WAIT_MS) / 1000);
  const isFull = deviceId === null && room.until.length >= MAX_WAITING;
  if (waitMs > 0 && isFull) throw tooMany(LAST_GAP_MS / 1000);
  if (waitMs > 0) room.until.push(judgedAt);
  tried.failures++;
  tried.judgedAt = judgedAt;
  return { waitMs, forgive: () => room.attempts.delete(who) };
}

/**
 * How many networks are remembered.
 * @internal for tests
 */
export const networksRemembered = (memory: Memory): number => waitingRoom.of(memory).attempts.size;
