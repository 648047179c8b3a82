import { Download, Plus, TriangleAlert, Wrench } from "lucide-react";
import type { Tool } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { Badge, Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Switch } from "../parts/switch.tsx";
import { Moment, MoreRows, Table, type Column } from "../parts/table.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { Link, navigate, withQuery, type Place } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh, useResource, useRows } from "../use-resource.ts";
import { Servers } from "./servers.tsx";
import { MEANWHILE } from "./tool-change.tsx";

const NEW = "/tools?tool=new";
const IMPORT = "/tools?import=1";

const serverOf = ({ type, mcpServerCommand, mcpServerUrl }: Tool) =>
  type === "mcp" ? (mcpServerCommand ?? mcpServerUrl) : null;

/** That the server of a tool has something else, and whether models get the tool meanwhile. */
function ChangeMark({ tool: { mcpChange, onMcpChange } }: { tool: Tool }) {
  if (mcpChange === null) return null;
  return (
    <span
      title={`Its server ${mcpChange.to === null ? "does not have it any more" : "changed it"}. ${MEANWHILE[onMcpChange]}`}
    >
      <Badge tone="warn">
        {mcpChange.to === null ? "gone" : "changed"}
        {onMcpChange === "disable" && ", off"}
      </Badge>
    </span>
  );
}

const columnsFor = (
  turn: (tool: Tool, isOn: boolean) => void,
  isTurning: boolean,
): Column<Tool>[] => [
  {
    name: "Name",
    cell: (tool) => (
      <Link href={`/tools?tool=${tool.id}`} className="row-link" data-row>
        <code>{tool.name}</code>
      </Link>
    ),
  },
  {
    name: "Type",
    cell: (tool) => <Badge tone="quiet">{tool.type === "mcp" ? "MCP" : "function"}</Badge>,
  },
  {
    name: "Description",
    cell: (tool) => <span className="description">{tool.description || "–"}</span>,
  },
  { name: "Server", cell: (tool) => <code className="cut">{serverOf(tool) ?? "–"}</code> },
  {
    name: "Status",
    cell: (tool) => (
      <span className="together">
        <Switch
          label={`${tool.name} is on`}
          isOn={tool.isActive}
          isBusy={isTurning}
          onTurn={(isOn) => turn(tool, isOn)}
        />
        <ChangeMark tool={tool} />
      </span>
    ),
  },
  { name: "Changed", isNumber: true, cell: (tool) => <Moment iso={tool.updatedAt} /> },
];

function NoTools() {
  return (
    <Empty title="No tools yet" icon={<Wrench aria-hidden="true" />}>
      <p>
        A tool is something that a model may do while it answers. The proxy runs it: JavaScript of
        yours in a sandbox, or a tool of an MCP server that it starts with <code>npx</code> or{" "}
        <code>uvx</code>, or reaches by its URL. Which key has which tools is set at the key.
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

/** How many wait for a decision, as far as they were counted. */
const waitingOf = ({ data, nextCursor }: { data: Tool[]; nextCursor: string | null }) =>
  `${data.length}${nextCursor === null ? "" : "+"}`;

/** Shows only what servers have changed; not there where they have changed nothing. */
function ChangedFilter({ place }: { place: Place }) {
  const changed = useResource(resources.tools({ changed: "true", limit: 200 }));
  const isSet = place.query.get("changed") !== null;
  if (!isSet && (changed.data === null || changed.data.data.length === 0)) return null;
  return (
    <div className="filters">
      <button
        type="button"
        className={isSet ? "pill set" : "pill"}
        aria-pressed={isSet}
        onClick={() =>
          navigate(withQuery(place, { changed: isSet ? null : "1" }), { replace: true })
        }
      >
        <TriangleAlert aria-hidden="true" />
        Changed by its server · {changed.data === null ? "…" : waitingOf(changed.data)}
      </button>
    </div>
  );
}

function NothingChanged() {
  return (
    <Empty title="No tool waits for a decision" icon={<Wrench aria-hidden="true" />}>
      <p>
        When an MCP server changes a tool that you imported, the change waits here, and models go on
        getting what you approved.
      </p>
      <Link href="/tools" className="button">
        Show all tools
      </Link>
    </Empty>
  );
}

function ToolList({ place }: { place: Place }) {
  const changed = place.query.get("changed") === null ? null : "true";
  const tools = useRows((cursor) => resources.tools({ changed, cursor }));
  const turning = useAction();
  const refresh = useRefresh();
  const turn = (tool: Tool, isActive: boolean) =>
    turning.run(async () => {
      await actions.updateTool(tool.id, { isActive });
      await refresh();
    });
  return (
    <>
      <ChangedFilter place={place} />
      {turning.error !== null && <Notice tone="bad">{turning.error.message}</Notice>}
      <Loading from={tools} lines={6}>
        {(data) => (
          <>
            {data.length > 0 && (
              <Table name="Tools" columns={columnsFor(turn, turning.isRunning)} rows={data} />
            )}
            {data.length === 0 && (changed === null ? <NoTools /> : <NothingChanged />)}
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
        onChange={(view) =>
          navigate(withQuery(place, { view: view === "servers" ? view : null }), { replace: true })
        }
        tabs={[
          { value: "tools", label: "Tools", content: <ToolList place={place} /> },
          { value: "servers", label: "MCP servers", content: <Servers /> },
        ]}
      />
    </Page>
  );
}
