/** Starts the proxy in a worker of the project `in-process`, once for all its files. */
import { startInProcess } from "./in-process.ts";
import { here } from "./proxy.ts";

here.inProcess ??= await startInProcess();
