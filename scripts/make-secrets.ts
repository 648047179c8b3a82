/**
 * Makes the Docker stack's secrets, once: `docker compose up` runs it before everything else. Each
 * argument is a file, with the number of the group that alone may read it after a colon, or without
 * one where all who have the volume may. One that is there already stays as it is, but for who may
 * read it. The admin password is printed, so that the operator can sign in.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

for (const argument of process.argv.slice(2)) {
  const [path = "", group] = argument.split(/:(?=\d+$)/);
  if (!existsSync(path))
    writeFileSync(path, randomBytes(24).toString("base64url"), { mode: 0o400 });
  if (group !== undefined) chownSync(path, 0, Number(group));
  chmodSync(path, group === undefined ? 0o444 : 0o440);
  const name = basename(path);
  if (name !== "admin-password") continue;
  if (process.env["ADMIN_PASSWORD"]) console.log("The admin password is the one that .env sets.");
  else console.log(`The admin password is: ${readFileSync(path, "utf8")}`);
}
