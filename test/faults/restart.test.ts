import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

interface List {
  data: { id: string; title: string }[];
}

describe("the embedded database", () => {
  it("has keys and conversations after a restart, and every answered turn after a kill -9", async () => {
    const upstream = await startUpstream(completion({ content: "hi" }));
    const directory = dataDirectory();
    const first = await directory.start();
    const { key } = await adminCall<{ key: string }>(first.captured, "/api-keys", {
      name: "survivor",
      openaiBaseUrl: upstream.url,
    });
    expect((await chat(first.captured, key, "before the restart")).status).toBe(200);
    await first.stop("SIGTERM");

    const second = await directory.start();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        (await chat(second.captured, key, `turn ${index}`)).text(),
      ),
    );
    expect(answers).toHaveLength(20);
    await second.stop("SIGKILL");

    const third = await directory.start();
    const wanted = [
      "before the restart",
      ...Array.from({ length: 20 }, (_, index) => `turn ${index}`),
    ].toSorted();
    await expect
      .poll(
        async () =>
          (await adminCall<List>(third.captured, "/conversations?limit=100")).data
            .map(({ title }) => title)
            .toSorted(),
        {
          timeout: 10_000,
        },
      )
      .toEqual(wanted);
    // Nothing of the processes before is left in the way.
    const left = readdirSync(join(directory.path, "spool"), { withFileTypes: true });
    expect(left, "a directory, and its lock").toHaveLength(2);
    const own = left.find((entry) => entry.isDirectory());
    expect(readdirSync(join(directory.path, "spool", own?.name ?? ""))).toEqual([]);
    await third.stop("SIGTERM");
    expect(readdirSync(join(directory.path, "spool"))).toEqual([]);
  });
});
