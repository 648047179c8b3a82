import type { Tool } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { Badge, Empty, Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Switch } from "../parts/switch.tsx";
import { Moment, Pager, Table, type Column } from "../parts/table.tsx";
import { Link, type Place } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useResource } from "../use-resource.ts";

const columnsFor = (turn: (tool: Tool) => void, isTurning: boolean): Column<Tool>[] => [
  {
    name: "Name",
    cell: (tool) => (
      <Link href={`/tools?tool=${tool.id}`}>
        <code>{tool.name}</code>
      </Link>
    ),
  },
  { name: "Type", cell: (tool) => <Badge tone="quiet">{tool.type}</Badge> },
  { name: "Description", cell: (tool) => <span className="description">{tool.description || "–"}</span> },
  {
    name: "Server",
    cell: (tool) => <code className="description">{tool.type === "mcp" ? (tool.mcpServerCommand ?? tool.mcpServerUrl) : "–"}</code>,
  },
  {
    name: "Status",
    cell: (tool) => <Switch label={`${tool.name} is on`} isOn={tool.isActive} isBusy={isTurning} onTurn={() => turn(tool)} />,
  },
  { name: "Changed", cell: (tool) => <Moment iso={tool.updatedAt} /> },
];

function NoTools() {
  return (
    <Empty title="No tools yet">
      <p>
        A tool is something that a model may do while it answers. The proxy runs it: JavaScript of yours in a sandbox, or a tool of an MCP
        server that it starts with <code>npx</code> or <code>uvx</code>, or reaches by its URL. Which key has which tools is set at the key.
      </p>
      <Link href="/tools?tool=new" className="button primary">
        Create the first tool
      </Link>
    </Empty>
  );
}

/** `/tools`: what models may be given. */
export function ToolsPage({ place }: { place: Place }) {
  const cursor = place.query.get("cursor");
  const tools = useResource(resources.tools({ cursor }));
  const turning = useAction();
  const turn = (tool: Tool) =>
    turning.run(async () => {
      await actions.updateTool(tool.id, { isActive: !tool.isActive });
      tools.reload();
    });
  return (
    <Page
      title="Tools"
      actions={
        <Link href="/tools?tool=new" className="button primary">
          New tool
        </Link>
      }
    >
      {turning.error !== null && <Notice tone="bad">{turning.error.message}</Notice>}
      <Loading from={tools}>
        {({ data, nextCursor }) => (
          <>
            {data.length === 0 ? <NoTools /> : <Table name="Tools" columns={columnsFor(turn, turning.isRunning)} rows={data} />}
            <Pager cursor={cursor} nextCursor={nextCursor} linkTo={(next) => (next === null ? "/tools" : `/tools?cursor=${next}`)} />
          </>
        )}
      </Loading>
    </Page>
  );
}
