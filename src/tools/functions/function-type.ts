import type { Platform } from "../../platform.ts";
import type { ToolColumns } from "../../store/tools.ts";
import { runFunction } from "./run-function.ts";
import { refuseField, type ToolType } from "../tool-type.ts";

async function checkFunction(
  { sandbox }: Pick<Platform, "sandbox">,
  { implementation }: ToolColumns,
): Promise<void> {
  if (implementation === null || implementation.trim() === "") {
    refuseField(
      "implementation",
      "implementation is missing: a function tool needs the body of a JavaScript function of args.",
    );
  }
  const fault = await sandbox.check(implementation);
  if (fault !== null) refuseField("implementation", `implementation does not parse: ${fault}`);
}

/** Tools that are JavaScript functions, run in the sandbox. */
export const functionType: ToolType = {
  fields: ["implementation"],
  timeoutMs: 5000,
  isAtServer: false,
  defaultsOf: () => ({}),
  check: checkFunction,
  run: runFunction,
};
