/** How answers of an upstream end before their time. */
import type { Answer } from "./upstream.ts";

/** How a body ends before its time. */
export type Cut = (send: { text: string; contentType: string; status?: number }) => Answer;

/** Headers of an answer. */
export const head = (contentType: string, more: Record<string, string> = {}) => ({
  "content-type": contentType,
  ...more,
});

/** By their titles. */
export const CUTS: Record<string, Cut> = {
  "its length says more":
    ({ text, contentType }) =>
    (_request, response) => {
      const length = String(Buffer.byteLength(text) + 100);
      response.writeHead(200, head(contentType, { "content-length": length }));
      response.write(text, () => response.socket?.end());
    },
  "its chunks do not end":
    ({ text, contentType }) =>
    (_request, response) => {
      response.writeHead(200, head(contentType));
      response.write(text, () => response.socket?.end());
    },
  "its connection is reset":
    ({ text, contentType }) =>
    (_request, response) => {
      response.writeHead(200, head(contentType));
      response.write(text, () => setTimeout(() => response.socket?.resetAndDestroy(), 50));
    },
};

/** One that ends in order, and is not all there. */
export const ENDED: Cut =
  ({ text, contentType }) =>
  (_request, response) =>
    void response.writeHead(200, head(contentType)).end(text);

/** Those of streams. */
export const streamCuts = { ...CUTS, "it ends without a reason": ENDED };
