import { afterEach, beforeEach, expect, vi } from "vitest";

/** An error that somebody printed is an error that somebody should have handled. */
const printed = vi.fn<(...parts: unknown[]) => void>();

beforeEach(() => {
  printed.mockClear();
  console.error = printed;
});

afterEach(() => {
  expect(printed.mock.calls, "console.error was called").toEqual([]);
});
