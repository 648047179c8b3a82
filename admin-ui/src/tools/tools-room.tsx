import type { Place } from "../router.tsx";
import { ImportPage } from "./import-page.tsx";
import { ToolPage } from "./tool-page.tsx";
import { ToolsPage } from "./tools-page.tsx";

/**
 * `/tools`: the list and the servers, one tool (`?tool=`), or the import from MCP servers
 * (`?import=1`).
 */
export function ToolsRoom({ place }: { place: Place }) {
  const tool = place.query.get("tool");
  if (tool !== null) return <ToolPage id={tool} />;
  return place.query.get("import") === null ? <ToolsPage place={place} /> : <ImportPage />;
}
