/**
 * Turns the system's clock for one process, as NTP or an operator does: `--import` it, and write
 * milliseconds into the file that `TURNED_CLOCK` names. No time passes by it: timers and
 * `performance.now()` go on.
 */
import { readFileSync } from "node:fs";

const path = process.env["TURNED_CLOCK"] ?? "";
const RealDate = Date;
const EVERY_MS = 50;
const state = { offset: 0, readAt: -Infinity };

/** Read where it is asked for: a thread that is busy hears of no timer. */
function offset(): number {
  if (performance.now() - state.readAt > EVERY_MS) {
    state.readAt = performance.now();
    state.offset = Number(readFileSync(path, "utf8"));
  }
  return state.offset;
}

globalThis.Date = class extends RealDate {
  constructor(...parts: unknown[]) {
    if (parts.length === 0) super(RealDate.now() + offset());
    else super(...(parts as [number]));
  }
  static override now(): number {
    return RealDate.now() + offset();
  }
} as DateConstructor;
