/** What a route is for and what it answers, said at the route: the OpenAPI document is made of it. */
import { createMiddleware } from "hono/factory";
import type { SHAPES } from "./openapi-shapes.ts";

/** What routes are about, in the document's order. */
export const TAGS = ["Session", "Keys", "Tools", "Conversations", "Operation"] as const;

/** What cannot be read off a route's path and the schemas that it checks by. */
export interface RouteText {
  tag: (typeof TAGS)[number];
  summary: string;
  /** The shape of the answer; null where there is no body. */
  answer: keyof typeof SHAPES | null;
  /** 200 unless given. */
  status?: number;
  /**
   * `application/json` unless given; then the shape is that of one line, or of one event's data.
   */
  contentType?: string;
  /** Whether it needs no session: one begins or ends there. */
  isOpen?: boolean;
}

/** The member of a handler that holds what it says. */
const TEXT = Symbol("text");

/** A handler that does nothing but say what its route is for. */
export const describeRoute = (text: RouteText) =>
  Object.assign(
    createMiddleware((_context, next) => next()),
    { [TEXT]: text },
  );

/** What a handler says of its route, or null where it says nothing. */
export function textOf(handler: object): RouteText | null {
  return TEXT in handler ? (handler[TEXT] as RouteText) : null;
}
