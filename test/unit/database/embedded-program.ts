/**
 * For tests to kill: opens the embedded database in argv[2], prints `open`; given `write`, inserts
 * and prints each acknowledged id.
 */
import { connectPostgres } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";

const [, , dataDir = "", job = ""] = process.argv;
const quiet = () => undefined;
try {
  const opened = await openDatabase(
    { databaseUrl: null, dataDir },
    { error: quiet, warn: quiet, info: quiet, debug: quiet },
  );
  process.stdout.write("open\n");
  const client = connectPostgres(opened.connection, { max: 4 });
  if (job === "write") {
    await client`create table if not exists written (id bigint primary key, body text)`;
    const [row] = await client<
      { last: string }[]
    >`select coalesce(max(id), 0)::text as last from written`;
    let next = Number(row?.last) + 1;
    const write = async () => {
      for (;;) {
        const id = next++;
        await client`insert into written values (${id}, ${"x".repeat(2000)})`;
        process.stdout.write(`${id}\n`);
      }
    };
    await Promise.all([write(), write(), write(), write()]);
  }
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
