/**
 * Pins the Docker stack's images: asks their registry, through `docker`, for the digests behind the
 * tags, and writes them into `.env`, from where `docker-compose.yml` and the Dockerfile have them.
 * Run it again for newer ones: `node scripts/pin-images.ts && docker compose up -d --build`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const FILE = ".env";
/** By the variable that names each. */
const IMAGES = { BASE_IMAGE: "node:24-bookworm-slim", POSTGRES_IMAGE: "postgres:17" };

/** @throws Error where the registry cannot be asked */
function digestOf(image: string): string {
  const format = "{{json .Manifest.Digest}}";
  const args = ["buildx", "imagetools", "inspect", image, "--format", format];
  const digest: unknown = JSON.parse(execFileSync("docker", args, { encoding: "utf8" }));
  if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new Error(`The registry names no digest of ${image}.`);
  return digest;
}

const lines = existsSync(FILE) ? readFileSync(FILE, "utf8").trimEnd().split("\n") : [];
const others = lines.filter((line) => !/^(?:BASE_IMAGE|POSTGRES_IMAGE)=/.test(line));
const pinned = Object.entries(IMAGES).map(([name, image]) => `${name}=${image}@${digestOf(image)}`);
writeFileSync(FILE, [...others, ...pinned, ""].join("\n"));
console.log(pinned.join("\n"));
