import { useState, type ReactNode } from "react";
import type { Tool } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { readAllTools } from "../http.ts";
import { TextField, Toggle } from "../parts/field.tsx";
import { Badge, Loading } from "../parts/notice.tsx";
import { Link } from "../router.tsx";
import { useLoaded } from "../use-resource.ts";

/** From here on a list is searched, not read. */
const SEARCHED_FROM = 6;

interface Chosen {
  toolIds: string[];
  /** With all that are chosen then, and with the one that was turned. */
  onToggle: (toolIds: string[], turned: { id: string; isOn: boolean }) => void;
}

/** Where a tool comes from, so that those of one server stand together. */
const sourceOf = ({ type, mcpServerCommand, mcpServerUrl }: Tool): string =>
  type === "function" ? "Functions" : (mcpServerCommand ?? mcpServerUrl ?? "MCP");

function Group({ source, children }: { source: string; children: ReactNode }) {
  return (
    <div className="tool-group" role="group" aria-label={source}>
      <p className="group-name">{source === "Functions" ? source : <code>{source}</code>}</p>
      {children}
    </div>
  );
}

function ToolToggles({ tools, toolIds, onToggle }: Chosen & { tools: Tool[] }) {
  const [search, setSearch] = useState("");
  const words = search.toLowerCase();
  const found = tools.filter((tool) =>
    `${tool.name} ${tool.description} ${sourceOf(tool)}`.toLowerCase().includes(words),
  );
  const turn = (id: string, isOn: boolean) =>
    onToggle(isOn ? [...toolIds, id] : toolIds.filter((other) => other !== id), { id, isOn });
  const groups = Map.groupBy(found, sourceOf);
  return (
    <>
      {tools.length >= SEARCHED_FROM && (
        <TextField
          label="Search tools"
          type="search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      )}
      <div className="tool-toggles" tabIndex={-1}>
        {[...groups].map(([source, members]) => (
          <Group key={source} source={source}>
            {members.map((tool) => (
              <Toggle
                key={tool.id}
                checked={toolIds.includes(tool.id)}
                onChange={(event) => turn(tool.id, event.target.checked)}
                label={
                  <>
                    <code>{tool.name}</code> {!tool.isActive && <Badge tone="quiet">off</Badge>}
                    <small>{tool.description}</small>
                  </>
                }
              />
            ))}
          </Group>
        ))}
        {found.length === 0 && (
          <p className="hint">No tool has “{search}” in its name or description.</p>
        )}
      </div>
    </>
  );
}

/** Which tools a key has, as toggles. */
export function ToolChooser({ toolIds, onToggle }: Chosen) {
  const tools = useLoaded("all tools", readAllTools);
  return (
    <fieldset>
      <legend>Tools{toolIds.length > 0 && ` · ${countOf(toolIds.length, "tool")} chosen`}</legend>
      <Loading from={tools}>
        {(all) =>
          all.length === 0 ? (
            <p className="hint">
              There are no tools yet. The key works without;{" "}
              <Link href="/tools?tool=new">create a tool</Link> when you want one.
            </p>
          ) : (
            <ToolToggles tools={all} toolIds={toolIds} onToggle={onToggle} />
          )
        }
      </Loading>
    </fieldset>
  );
}
