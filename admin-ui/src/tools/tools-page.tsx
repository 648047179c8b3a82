import { Download, Plus, Wrench } from "lucide-react";
import type { Tool } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { Badge, Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Switch } from "../parts/switch.tsx";
import { Moment, MoreRows, Table, type Column } from "../parts/table.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useRows } from "../use-resource.ts";
import { Servers } from "./servers.tsx";

const NEW = "/tools?tool=new";
const IMPORT = "/tools?import=1";

const serverOf = ({ type, mcpServerCommand, mcpServerUrl }: Tool) => (type === "mcp" ? (mcpServerCommand ?? mcpServerUrl) : null);

const columnsFor = (turn: (tool: Tool, isOn: boolean) => void, isTurning: boolean): Column<Tool>[] => [
  {
    name: "Name",
    cell: (tool) => (
      <Link href={`/tools?tool=${tool.id}`} className="row-link" data-row>
        <code>{tool.name}</code>
      </Link>
    ),
  },
  { name: "Type", cell: (tool) => <Badge tone="quiet">{tool.type === "mcp" ? "MCP" : "function"}</Badge> },
  { name: "Description", cell: (tool) => <span className="description">{tool.description || "–"}</span> },
  { name: "Server", cell: (tool) => <code className="cut">{serverOf(tool) ?? "–"}</code> },
  {
    name: "Status",
    cell: (tool) => <Switch label={`${tool.name} is on`} isOn={tool.isActive} isBusy={isTurning} onTurn={(isOn) => turn(tool, isOn)} />,
  },
  { name: "Changed", isNumber: true, cell: (tool) => <Moment iso={tool.updatedAt} /> },
];

function NoTools() {
  return (
    <Empty title="No tools yet" icon={<Wrench aria-hidden="true" />}>
      <p>
        A tool is something that a model may do while it answers. The proxy runs it: JavaScript of yours in a sandbox, or a tool of an MCP
        server that it starts with <code>npx</code> or <code>uvx</code>, or reaches by its URL. Which key has which tools is set at the key.
      </p>
      <div className="actions">
        <Link href={NEW} className="button primary">
          Write the first tool
        </Link>
        <Link href={IMPORT} className="button">
          Import from an MCP server
        </Link>
      </div>
    </Empty>
  );
}

function ToolList() {
  const tools = useRows((cursor) => resources.tools({ cursor }));
  const turning = useAction();
  const refresh = useRefresh();
  const turn = (tool: Tool, isActive: boolean) =>
    turning.run(async () => {
      await actions.updateTool(tool.id, { isActive });
      await refresh();
    });
  return (
    <>
      {turning.error !== null && <Notice tone="bad">{turning.error.message}</Notice>}
      <Loading from={tools} lines={6}>
        {(data) => (
          <>
            {data.length === 0 ? <NoTools /> : <Table name="Tools" columns={columnsFor(turn, turning.isRunning)} rows={data} />}
            <MoreRows of={tools} />
          </>
        )}
      </Loading>
    </>
  );
}

/** `/tools`: what models may be given, and the servers that some of it comes from. */
export function ToolsPage({ place }: { place: Place }) {
  return (
    <Page
      title="Tools"
      width="full"
      actions={
        <>
          <Link href={IMPORT} className="button">
            <Download aria-hidden="true" />
            Import from MCP
          </Link>
          <Link href={NEW} className="button primary">
            <Plus aria-hidden="true" />
            New tool
          </Link>
        </>
      }
    >
      <Tabs
        label="Tools and servers"
        value={place.query.get("view") === "servers" ? "servers" : "tools"}
        onChange={(view) => navigate(withQuery(place, { view: view === "servers" ? view : null }), { replace: true })}
        tabs={[
          { value: "tools", label: "Tools", content: <ToolList /> },
          { value: "servers", label: "MCP servers", content: <Servers /> },
        ]}
      />
    </Page>
  );
}
