import { expect, it } from "vitest";
import { openFormModelReader } from "../../src/stream/form-model.ts";

const part = (head: string, value: string) => `--b-1\r\n${head}\r\n\r\n${value}\r\n`;
const file = part(
  'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: audio/mpeg',
  'name="model"\r\n\r\ncheap\r\n--b',
);
const model = part('Content-Disposition: form-data; name="model"', "gpt-test");

/** What is found in a form that comes in pieces of this size. */
function found(form: string, size = form.length): string | null {
  const reader = openFormModelReader("multipart/form-data; boundary=b-1");
  const bytes = new TextEncoder().encode(form);
  for (let at = 0; at < bytes.length; at += size) reader?.onChunk(bytes.subarray(at, at + size));
  return reader?.model() ?? null;
}

it.each([1, 7, 100, 10_000])("finds the model of a form in pieces of %i bytes", (size) => {
  expect(found(`${file}${model}--b-1--\r\n`, size)).toBe("gpt-test");
  expect(found(`${model}${file}--b-1--\r\n`, size)).toBe("gpt-test");
});

it("takes nothing inside a file for a part, and finds none where there is none", () => {
  expect(found(`${file}--b-1--\r\n`)).toBeNull();
  expect(openFormModelReader("application/json")).toBeNull();
  expect(openFormModelReader('multipart/form-data; boundary="b-1"')).not.toBeNull();
});

it("is in no trouble with a file that is full of such names", () => {
  const names = '"model"'.repeat(500_000);
  const startedAt = performance.now();
  expect(found(`${part('Content-Disposition: form-data; name="f"', names)}--b-1--\r\n`)).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(500);
});
