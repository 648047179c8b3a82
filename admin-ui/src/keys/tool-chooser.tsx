import { useState } from "react";
import type { Tool } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { readAllTools } from "../http.ts";
import { TextField, Toggle } from "../parts/field.tsx";
import { Badge, Loading } from "../parts/notice.tsx";
import { Link } from "../router.tsx";
import { useLoaded } from "../use-resource.ts";

/** From here on a list is searched, not read. */
const SEARCHED_FROM = 8;

interface Chosen {
  toolIds: string[];
  onChange: (toolIds: string[]) => void;
}

function ToolToggles({ tools, toolIds, onChange }: Chosen & { tools: Tool[] }) {
  const [search, setSearch] = useState("");
  const words = search.toLowerCase();
  const found = tools.filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(words));
  const change = (id: string, isChosen: boolean) => onChange(isChosen ? [...toolIds, id] : toolIds.filter((other) => other !== id));
  return (
    <>
      {tools.length >= SEARCHED_FROM && (
        <TextField label="Search tools" type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
      )}
      <div className="tool-toggles">
        {found.map((tool) => (
          <Toggle
            key={tool.id}
            checked={toolIds.includes(tool.id)}
            onChange={(event) => change(tool.id, event.target.checked)}
            label={
              <>
                <code>{tool.name}</code> {!tool.isActive && <Badge tone="quiet">off</Badge>}
                <small>{tool.description}</small>
              </>
            }
          />
        ))}
        {found.length === 0 && <p className="hint">No tool has “{search}” in its name or description.</p>}
      </div>
    </>
  );
}

/** Which tools a key has, as toggles. */
export function ToolChooser({ toolIds, onChange }: Chosen) {
  const tools = useLoaded("all tools", readAllTools);
  return (
    <fieldset>
      <legend>Tools{toolIds.length > 0 && ` · ${countOf(toolIds.length, "tool")} chosen`}</legend>
      <Loading from={tools}>
        {(all) =>
          all.length === 0 ? (
            <p className="hint">
              There are no tools yet. The key works without; <Link href="/tools?tool=new">create a tool</Link> when you want one.
            </p>
          ) : (
            <ToolToggles tools={all} toolIds={toolIds} onChange={onChange} />
          )
        }
      </Loading>
    </fieldset>
  );
}
