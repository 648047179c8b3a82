/**
 * Makes the Docker stack's secrets, once: `docker compose up` runs it before everything else. Each
 * argument is a file; one that is there already stays as it is. The admin password is printed, so
 * that the operator can sign in.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

for (const path of process.argv.slice(2)) {
  // Readable by the one other service that has the same volume, whatever its user is.
  if (!existsSync(path))
    writeFileSync(path, randomBytes(24).toString("base64url"), { mode: 0o444 });
  const name = basename(path);
  if (name !== "admin-password") continue;
  if (process.env["ADMIN_PASSWORD"]) console.log("The admin password is the one that .env sets.");
  else console.log(`The admin password is: ${readFileSync(path, "utf8")}`);
}
