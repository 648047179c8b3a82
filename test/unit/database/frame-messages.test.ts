import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageFramer } from "../../../src/node/database/frame-messages.ts";

function startup(body: string): Buffer {
  const bytes = Buffer.alloc(8 + body.length);
  bytes.writeInt32BE(bytes.length, 0);
  bytes.writeInt32BE(196_608, 4);
  bytes.write(body, 8);
  return bytes;
}

function typed(type: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.write(type);
  bytes.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([bytes, body]);
}

const encryptionRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

describe("cutting a connection's bytes into messages", () => {
  it("gives the same messages however the network cuts the bytes", () => {
    const bodies = fc.array(
      fc.tuple(fc.constantFrom("P", "B", "S", "Q"), fc.uint8Array({ maxLength: 40 })),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(20), { minLength: 1 }), (messages, cuts) => {
        const sent = [
          encryptionRequest,
          startup("user\0me\0\0"),
          ...messages.map(([type, body]) => typed(type, Buffer.from(body))),
        ];
        let rest = Buffer.concat(sent);
        const framer = new MessageFramer();
        const received = [];
        for (let turn = 0; rest.length > 0; turn += 1) {
          const size = 1 + (cuts[turn % cuts.length] ?? 0);
          received.push(...framer.push(rest.subarray(0, size)));
          rest = rest.subarray(size);
        }
        expect(received.map(({ type }) => type)).toEqual([
          "encryption",
          "startup",
          ...messages.map(([type]) => type),
        ]);
        expect(Buffer.concat(received.map(({ bytes }) => bytes))).toEqual(Buffer.concat(sent));
      }),
    );
  });

  it("refuses what is not PostgreSQL's protocol instead of waiting for it for ever", () => {
    expect(() => new MessageFramer().push(Buffer.from([255, 255, 255, 255, 0, 3, 0, 0]))).toThrow(
      "not PostgreSQL's protocol",
    );
  });
});
