import { parseJson } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ToolColumns } from "../store/tools.ts";
import { checkParameters } from "./check-parameters.ts";
import { refuseField, type TypedField } from "./tool-type.ts";
import { TOOL_TYPES, TOOL_TYPE_NAMES } from "./tool-types.ts";

/** The fields that belong to other types of tools, each with its type. */
function foreignFields(type: ToolColumns["type"]): { field: TypedField; of: string }[] {
  const others = TOOL_TYPE_NAMES.filter((other) => other !== type);
  return others.flatMap((of) => TOOL_TYPES[of].fields.map((field) => ({ field, of })));
}

/**
 * Nothing in the fields that a tool of this type cannot have: for a tool that becomes another type.
 */
export function withoutOtherType(type: ToolColumns["type"]): Partial<Record<TypedField, null>> {
  return Object.fromEntries(foreignFields(type).map(({ field }) => [field, null]));
}

/** A tool with what its type gives it where nothing was given. */
export function withTypeDefaults<Columns extends ToolColumns>(tool: Columns): Columns {
  const defaults = Object.entries(TOOL_TYPES[tool.type].defaultsOf(tool));
  const missing = defaults.filter(([field]) => tool[field as TypedField] === null);
  return { ...tool, ...Object.fromEntries(missing) };
}

/**
 * Whether a tool, as it would be stored, can be offered to a model and run.
 * @throws ApiError 400 that names the field and the reason
 */
export async function checkTool(
  platform: Pick<Platform, "sandbox" | "config">,
  tool: ToolColumns,
): Promise<void> {
  const fault = checkParameters(parseJson(tool.parameters));
  if (fault !== null) refuseField("parameters", fault);
  const foreign = foreignFields(tool.type).find(({ field }) => tool[field] !== null);
  if (foreign !== undefined) {
    const { field, of } = foreign;
    refuseField(
      field,
      `${field} belongs to tools of type "${of}": this one has type "${tool.type}".`,
    );
  }
  await TOOL_TYPES[tool.type].check(platform, tool);
}
