/** `npm start`: the server, as soon as its secrets are out of what others can read of a process. */
import { shedSecrets } from "./shed-secrets.ts";

shedSecrets();
await import("./run.ts");
