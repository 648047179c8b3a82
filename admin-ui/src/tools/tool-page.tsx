import { useEffect, useState } from "react";
import type { Tool } from "../api-shapes.ts";
import { actions, resources } from "../http.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Loading, Notice } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Link, navigate } from "../router.tsx";
import { useAction } from "../use-action.ts";
import { useResource } from "../use-resource.ts";
import { draftOf, fieldsOf, type ToolDraft } from "./tool-draft.ts";
import { SHOWN_FIELDS, ToolForm } from "./tool-form.tsx";

/** The browser asks before a draft is lost with its tab. */
function useLeaveWarning(isDirty: boolean): void {
  useEffect(() => {
    if (!isDirty) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isDirty]);
}

function ToolEditor({ tool }: { tool: Tool | null }) {
  const [draft, setDraft] = useState(() => draftOf(tool));
  const [isDirty, setIsDirty] = useState(false);
  const action = useAction();
  useLeaveWarning(isDirty);
  const change = (changes: Partial<ToolDraft>) => {
    setIsDirty(true);
    setDraft((current) => ({ ...current, ...changes }));
  };
  const save = async () => {
    const fields = fieldsOf(draft);
    await (tool === null ? actions.createTool(fields) : actions.updateTool(tool.id, fields));
    navigate("/tools");
  };
  const beside = action.faultBeside(SHOWN_FIELDS);
  return (
    <form
      className="editor"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(save);
      }}
    >
      <ToolForm draft={draft} change={change} action={action} envNames={tool === null ? [] : tool.envNames} />
      {beside !== null && <Notice tone="bad">{beside}</Notice>}
      <footer className="actions">
        <Link href="/tools" className="button">
          Cancel
        </Link>
        <button type="submit" className="primary" disabled={action.isRunning}>
          {tool === null ? "Create tool" : "Save"}
        </button>
      </footer>
    </form>
  );
}

function KnownTool({ tool }: { tool: Tool }) {
  const [isDeleting, setIsDeleting] = useState(false);
  const remove = async () => {
    await actions.deleteTool(tool.id);
    navigate("/tools");
  };
  return (
    <>
      <ToolEditor tool={tool} />
      <section className="danger-zone">
        <button type="button" className="quiet bad" onClick={() => setIsDeleting(true)}>
          Delete this tool
        </button>
      </section>
      {isDeleting && (
        <ConfirmDialog title={`Delete ${tool.name}?`} verb="Delete tool" onConfirm={remove} onClose={() => setIsDeleting(false)}>
          It is taken from every key that has it. What it did stays on record. To stop it for a while, switch it off instead.
        </ConfirmDialog>
      )}
    </>
  );
}

function StoredTool({ id }: { id: string }) {
  const tool = useResource(resources.tool(id));
  return (
    <Page title={tool.data?.name ?? "Tool"} actions={<Link href="/tools">All tools</Link>}>
      <Loading from={tool}>{(data) => <KnownTool tool={data} />}</Loading>
    </Page>
  );
}

/** `/tools?tool=…`: one tool, by id, or `new`. */
export function ToolPage({ id }: { id: string }) {
  if (id !== "new") return <StoredTool id={id} />;
  return (
    <Page title="New tool" actions={<Link href="/tools">All tools</Link>}>
      <ToolEditor tool={null} />
    </Page>
  );
}
