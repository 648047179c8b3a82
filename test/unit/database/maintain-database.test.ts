import { PGlite } from "@electric-sql/pglite";
import { expect, it } from "vitest";
import { DatabaseMaintainer } from "../../../src/node/database/maintain-database.ts";

it("vacuums the tables from which much was deleted, the worst first, and leaves the others alone", async () => {
  const pglite = await PGlite.create("memory://");
  const failures: unknown[] = [];
  const longWork: boolean[] = [];
  const maintainer = new DatabaseMaintainer({
    pglite,
    exclusively: (work) => work(),
    vacuumEveryMs: 0,
    onLongWork: (running) => longWork.push(running),
    onFailure: (error) => failures.push(error),
  });
  await pglite.exec(`
    create table "some what" (n int); create table worse (n int); create table fine (n int);
    insert into "some what" select generate_series(1, 1000); delete from "some what" where n > 400;
    insert into worse select generate_series(1, 3000); delete from worse;
    insert into fine values (1);`);
  const vacuumed = async () => {
    const { rows } = await pglite.query<{ relname: string }>(
      "select relname from pg_stat_user_tables where last_vacuum is not null order by 1",
    );
    return rows.map(({ relname }) => relname);
  };
  await maintainer.tick();
  expect(failures).toEqual([]);
  expect(await vacuumed()).toEqual(["worse"]);
  await maintainer.tick();
  await maintainer.tick();
  expect(await vacuumed()).toEqual(["some what", "worse"]);
  expect(longWork).toEqual([true, false, true, false]);
  await pglite.close();
});
