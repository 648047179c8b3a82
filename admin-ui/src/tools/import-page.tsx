import { ChevronLeft, Search } from "lucide-react";
import { useState } from "react";
import { TextArea, TextField } from "../parts/field.tsx";
import { Notice, Skeleton } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Segments } from "../parts/segments.tsx";
import { Link } from "../router.tsx";
import { useAction, type Action } from "../use-action.ts";
import { HeaderRows } from "./headers-field.tsx";
import { ask, sourceOf, type AskedServer, type SourceDraft } from "./import-source.ts";
import { PickTools } from "./pick-tools.tsx";

const KINDS = [
  { value: "command", label: "Command" },
  { value: "url", label: "URL" },
  { value: "json", label: "Claude settings" },
] as const;

const EXAMPLE = `{
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"]
    }
  }
}`;

interface SourceProps {
  draft: SourceDraft;
  change: (changes: Partial<SourceDraft>) => void;
  action: Action;
}

function CommandFields({ draft, change, action }: SourceProps) {
  return (
    <>
      <TextField
        label="Command"
        className="code"
        required
        placeholder="npx -y @modelcontextprotocol/server-everything"
        hint="npx … or uvx …: the proxy starts it."
        value={draft.command}
        fault={action.faultOf("mcpServerCommand")}
        onChange={(event) => change({ command: event.target.value })}
      />
      <TextArea
        label="Environment variables"
        code
        rows={2}
        placeholder="API_TOKEN=…"
        hint="NAME=value, one a line. Stored encrypted with the tools that you import."
        value={draft.env}
        fault={action.faultOf("env")}
        onChange={(event) => change({ env: event.target.value })}
      />
    </>
  );
}

function UrlFields({ draft, change, action }: SourceProps) {
  return (
    <>
      <TextField
        label="URL"
        type="url"
        className="code"
        required
        placeholder="https://mcp.example.com/mcp"
        hint="Of its Streamable HTTP endpoint."
        value={draft.url}
        fault={action.faultOf("mcpServerUrl")}
        onChange={(event) => change({ url: event.target.value })}
      />
      <fieldset className="field headers">
        <legend>Headers</legend>
        <HeaderRows
          rows={draft.headers}
          onChange={(headers) => change({ headers })}
          fault={action.faultOf("mcpHeaders")}
          hint="What the server wants to see of who asks. Stored encrypted with the tools that you import."
        />
      </fieldset>
    </>
  );
}

function SourceFields(props: SourceProps) {
  const { draft, change, action } = props;
  if (draft.kind === "command") return <CommandFields {...props} />;
  if (draft.kind === "url") return <UrlFields {...props} />;
  return (
    <TextArea
      label="Settings"
      code
      rows={10}
      required
      placeholder={EXAMPLE}
      hint="What stands under mcpServers in the settings of Claude Desktop, Cursor and others, or under servers in those of VS Code."
      value={draft.json}
      fault={action.faultOf("mcpServers")}
      onChange={(event) => change({ json: event.target.value })}
    />
  );
}

const SHOWN = ["mcpServerCommand", "mcpServerUrl", "mcpHeaders", "mcpServers", "env"];

/** `/tools?import=1`: looks for the tools of MCP servers, to pick from. */
export function ImportPage() {
  const [draft, setDraft] = useState<SourceDraft>({
    kind: "command",
    command: "",
    env: "",
    url: "",
    headers: [],
    json: "",
  });
  const [servers, setServers] = useState<AskedServer[] | null>(null);
  const action = useAction();
  const change = (changes: Partial<SourceDraft>) =>
    setDraft((current) => ({ ...current, ...changes }));
  const discover = async () => {
    setServers(null);
    setServers(await ask(sourceOf(draft)));
  };
  const beside = action.faultBeside(SHOWN);
  return (
    <Page
      title="Import tools of an MCP server"
      above={
        <Link href="/tools" className="back">
          <ChevronLeft aria-hidden="true" />
          Tools
        </Link>
      }
    >
      <form
        className="editor"
        onSubmit={(event) => {
          event.preventDefault();
          action.run(discover);
        }}
      >
        <Segments
          label="Where the server is"
          choices={KINDS}
          value={draft.kind}
          onChange={(kind) => change({ kind })}
        />
        <SourceFields draft={draft} change={change} action={action} />
        {beside !== null && <Notice tone="bad">{beside}</Notice>}
        <footer className="actions">
          <button type="submit" className="primary" disabled={action.isRunning}>
            <Search aria-hidden="true" />
            {action.isRunning ? "Looking…" : "Find its tools"}
          </button>
        </footer>
      </form>
      {action.isRunning && (
        <>
          <p className="hint" role="status">
            {draft.kind === "url"
              ? "Asking the server for its tools."
              : "Starting the server and asking for its tools. The first time its package is downloaded: that can take a minute."}
          </p>
          <Skeleton lines={4} />
        </>
      )}
      {servers !== null && <PickTools servers={servers} />}
    </Page>
  );
}
